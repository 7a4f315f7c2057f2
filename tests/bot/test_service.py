"""What people do to migrations: each act decides by the roles of the moment, takes effect once, and answers."""

import threading
from collections.abc import Callable

import pytest

from bot.approvals import Reason
from bot.ledger import BotLedger, Verdict
from bot.notes import REFUSED
from bot.service import Answer, Click, Service
from bot.settings import Roles, Settings
from engine.ledger import AuditFilter, Ledger, new_owner, utc_now
from engine.lifecycle import EventName, Status
from engine.model import Migration

Awaiting = Callable[..., Migration]


@pytest.fixture
def ledger_url(on_each_database: str) -> str:
    """Each test runs on both databases."""
    return on_each_database


def approve(service: Service, user: str, migration: Migration, delivery: str = "") -> Answer:
    """Approve the plan that the migration has."""
    assert migration.plan is not None
    return service.approve(Click(user, migration.id, delivery), migration.plan.hash)


def test_another_person_with_the_role_approves(
    service: Service, records: BotLedger, awaiting: Awaiting
) -> None:
    """An approval by another admin queues the migration and is recorded with role and plan."""
    migration = awaiting("U0ADMIN")
    answer = approve(service, "U0OTHER", migration)
    assert answer.done
    assert answer.migration is not None
    assert answer.migration.status is Status.QUEUED
    (decided,) = records.decisions(migration.id)
    assert (decided.user_id, decided.verdict) == ("U0OTHER", Verdict.APPROVED)
    assert decided.role == "Project Admin of acme/search and Project Admin of acme/shop"
    assert migration.plan is not None
    assert decided.plan_hash == migration.plan.hash


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("U0ADMIN", Reason.OWN_REQUEST),
        ("U0NOBODY", Reason.NO_ROLE),
        ("U0HALF", Reason.NO_ROLE),
    ],
)
def test_who_may_not_approve_changes_nothing(
    service: Service, ledger: Ledger, awaiting: Awaiting, user: str, reason: Reason
) -> None:
    """The requester, someone without a role, and someone with a role on one side only are refused; the trail has it."""
    migration = awaiting("U0ADMIN")
    assert approve(service, user, migration).reason is reason
    assert ledger.migration(migration.id).status is Status.AWAITING_APPROVAL
    last = ledger.events(migration_id=migration.id)[-1]
    assert (last.name, last.actor) == (REFUSED, user)
    assert (last.details["act"], last.details["reason"]) == ("approve", reason.value)


def test_an_approval_is_for_the_plan_that_was_shown(
    service: Service, ledger: Ledger, awaiting: Awaiting
) -> None:
    """A click under another plan than the migration has approves nothing."""
    migration = awaiting()
    answer = service.approve(Click("U0OTHER", migration.id), "another hash")
    assert answer.reason is Reason.PLAN_CHANGED
    assert ledger.migration(migration.id).status is Status.AWAITING_APPROVAL


def test_the_second_approver_is_told_who_was_faster(service: Service, awaiting: Awaiting) -> None:
    """Who approves what is approved already learns by whom and when."""
    migration = awaiting()
    first = approve(service, "U0OTHER", migration)
    second = approve(service, "U0OWNER", migration)
    assert (second.reason, second.by, second.at) == (Reason.ALREADY_APPROVED, "U0OTHER", first.at)


def test_of_two_who_decide_at_once_one_wins(
    service: Service, ledger: Ledger, records: BotLedger, awaiting: Awaiting
) -> None:
    """An approval and a rejection at the same moment: exactly one takes effect, and the other is told which."""
    for _ in range(10):
        migration = awaiting()
        together = threading.Barrier(2)
        answers: dict[str, Answer] = {}

        def act(
            name: str, work: Callable[[], Answer], gate: threading.Barrier, out: dict[str, Answer]
        ) -> None:
            gate.wait()
            out[name] = work()

        click = Click("U0OWNER", migration.id)
        works: dict[str, Callable[[], Answer]] = {
            "approve": lambda m=migration: approve(service, "U0OTHER", m),
            "reject": lambda c=click: service.reject(c),
        }
        threads = [
            threading.Thread(target=act, args=(name, work, together, answers))
            for name, work in works.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        won = [name for name, answer in answers.items() if answer.done]
        assert len(won) == 1
        (lost,) = set(answers) - set(won)
        expected = Reason.ALREADY_APPROVED if won == ["approve"] else Reason.ALREADY_REJECTED
        assert answers[lost].reason is expected
        assert answers[lost].by == ("U0OTHER" if won == ["approve"] else "U0OWNER")
        assert len(records.decisions(migration.id)) == 1
        with ledger.transaction() as tx:
            if won == ["approve"]:
                tx.apply(migration.id, EventName.CANCEL, actor="U0OWNER")


def test_a_delivery_counts_once(service: Service, ledger: Ledger, awaiting: Awaiting) -> None:
    """The same delivery twice is one effect, and the second says nothing."""
    migration = awaiting()
    assert approve(service, "U0OTHER", migration, "click:1").done
    assert approve(service, "U0OTHER", migration, "click:1").reason is Reason.DUPLICATE
    names = [event.name for event in ledger.events(migration_id=migration.id)]
    assert names.count(EventName.APPROVE) == 1
    assert REFUSED not in names


def test_one_side_may_reject(service: Service, awaiting: Awaiting) -> None:
    """A role on one side is enough to say no, and the migration ends."""
    answer = service.reject(Click("U0HALF", awaiting().id), "not this week")
    assert answer.done
    assert answer.migration is not None
    assert answer.migration.status is Status.REJECTED


def test_the_requester_cancels_without_a_role(service: Service, awaiting: Awaiting) -> None:
    """Who asked may take it back; somebody without a role may not."""
    migration = awaiting("U0NOBODY")
    assert service.cancel(Click("U0STRANGER", migration.id)).reason is Reason.NO_ROLE
    assert service.cancel(Click("U0NOBODY", migration.id)).done
    again = service.cancel(Click("U0OWNER", migration.id))
    assert (again.reason, again.by) == (Reason.ALREADY_CANCELED, "U0NOBODY")


def test_a_running_migration_is_asked_to_stop_once(
    service: Service, ledger: Ledger, awaiting: Awaiting
) -> None:
    """A cancel of a running migration is a flag; the second who cancels is told who was first."""
    migration = awaiting()
    approve(service, "U0OTHER", migration)
    ledger.claim(migration.id, "elsewhere:1:boot.1:0")
    first = service.cancel(Click("U0OTHER", migration.id))
    assert first.done
    assert first.migration is not None
    assert first.migration.status is Status.RUNNING
    second = service.cancel(Click("U0OWNER", migration.id))
    assert (second.reason, second.by) == (Reason.ALREADY_CANCELING, "U0OTHER")


def test_a_canceled_migration_goes_on_when_it_was_approved(
    service: Service, awaiting: Awaiting
) -> None:
    """Resume continues what was approved, and refuses what never was."""
    approved, never = awaiting(), awaiting()
    approve(service, "U0OTHER", approved)
    for migration in (approved, never):
        service.cancel(Click("U0OTHER", migration.id))
    assert service.resume(Click("U0HALF", approved.id)).reason is Reason.NO_ROLE
    assert service.resume(Click("U0OTHER", approved.id)).done
    assert not service.resume(Click("U0OTHER", never.id)).done


def test_a_running_migration_is_asked_to_rest_once(
    service: Service, ledger: Ledger, awaiting: Awaiting
) -> None:
    """A pause of a running migration is a flag: asked twice it is refused with the reason, and a resume takes it back."""
    migration = awaiting()
    early = service.pause(Click("U0OTHER", migration.id))
    assert early.reason is Reason.WRONG_STATE
    assert "waits for approval" in early.sentence
    approve(service, "U0OTHER", migration)
    ledger.claim(migration.id, "elsewhere:1:boot.1:0")
    assert service.pause(Click("U0STRANGER", migration.id)).reason is Reason.NO_ROLE
    first = service.pause(Click("U0HALF", migration.id, "click:7"))
    assert first.done
    assert first.migration is not None
    assert first.migration.status is Status.RUNNING
    assert first.migration.pause_requested_at is not None
    assert service.pause(Click("U0HALF", migration.id, "click:7")).reason is Reason.DUPLICATE
    second = service.pause(Click("U0OWNER", migration.id))
    assert second.reason is Reason.WRONG_STATE
    assert "already being paused" in second.sentence
    last = ledger.events(migration_id=migration.id)[-1]
    assert (last.name, last.actor) == (REFUSED, "U0OWNER")
    assert (last.details["act"], last.details["reason"]) == ("pause", "wrong_state")
    assert service.resume(Click("U0HALF", migration.id)).reason is Reason.NO_ROLE
    assert service.resume(Click("U0OTHER", migration.id)).done
    assert ledger.migration(migration.id).pause_requested_at is None


@pytest.mark.parametrize("act", ["repair", "retry"])
def test_what_mismatched_is_repaired_once(
    service: Service, ledger: Ledger, awaiting: Awaiting, act: str
) -> None:
    """Repair and retry of a mismatch are the event `repair`, by name and role; the second who asks is told how it stands."""
    migration = awaiting()
    approve(service, "U0OTHER", migration)
    ledger.finish(ledger.claim(migration.id, "elsewhere:1:boot.1:0"), EventName.MISMATCH)
    repair: Callable[[Click], Answer] = getattr(service, act)
    assert repair(Click("U0HALF", migration.id)).reason is Reason.NO_ROLE
    assert repair(Click("U0OTHER", migration.id)).done
    last = ledger.events(migration_id=migration.id)[-1]
    assert (last.name, last.actor) == (EventName.REPAIR, "U0OTHER")
    assert last.details["role"] == "Project Admin of acme/search and Project Admin of acme/shop"
    again = repair(Click("U0OWNER", migration.id))
    assert again.reason is Reason.WRONG_STATE
    assert "already waits to be started" in again.sentence


@pytest.fixture
def ended(service: Service, ledger: Ledger, awaiting: Awaiting) -> Migration:
    """A migration that ended well."""
    migration = awaiting()
    approve(service, "U0OTHER", migration)
    return ledger.finish(ledger.claim(migration.id, "elsewhere:1:boot.1:0"), EventName.SUCCEED)


def test_a_cancel_of_what_has_ended_is_told_how_it_stands(
    service: Service, ended: Migration, awaiting: Awaiting
) -> None:
    """Whoever cancels what ended a moment ago is not told who approved it, but who rejected it if somebody did."""
    assert service.cancel(Click("U0OWNER", ended.id)).reason is Reason.WRONG_STATE
    assert approve(service, "U0OWNER", ended).reason is Reason.ALREADY_APPROVED
    rejected = awaiting()
    service.reject(Click("U0OTHER", rejected.id))
    late = service.cancel(Click("U0OWNER", rejected.id))
    assert (late.reason, late.by) == (Reason.ALREADY_REJECTED, "U0OTHER")


def test_an_undo_is_asked_for_once_and_can_be_taken_back(
    service: Service, ledger: Ledger, ended: Migration
) -> None:
    """Who has no role in the target's project is refused; of two clicks one counts; taken back, it stands as it had ended."""
    assert service.undo(Click("U0HALF", ended.id)).reason is Reason.NO_ROLE
    assert service.may_undo(Click("U0OTHER", ended.id)).done
    assert ledger.migration(ended.id) == ended
    first = service.undo(Click("U0OTHER", ended.id, "click:1"))
    assert first.migration is not None
    assert (first.migration.status, first.migration.stood) == (Status.UNDO_ASKED, ended.status)
    assert service.undo(Click("U0OTHER", ended.id, "click:1")).reason is Reason.DUPLICATE
    again = service.undo(Click("U0OWNER", ended.id))
    assert (again.reason, again.by, again.at) == (Reason.ALREADY_UNDOING, "U0OTHER", first.at)
    assert ledger.due(utc_now()) == (ended.id,)
    assert service.resume(Click("U0OTHER", ended.id)).reason is Reason.WRONG_STATE
    assert service.cancel(Click("U0NOBODY", ended.id)).reason is Reason.NO_ROLE
    assert service.cancel(Click("U0OWNER", ended.id)).done
    kept = ledger.migration(ended.id)
    assert (kept.status, kept.stood, kept.ended_at) == (ended.status, None, ended.ended_at)
    assert ledger.due(utc_now()) == ()
    acts = [
        (row.act, row.actor, row.outcome)
        for row in ledger.audit(AuditFilter(migration_id=ended.id))
    ]
    assert acts[-3:-1] == [
        ("resume", "U0OTHER", "refused: wrong_state"),
        ("cancel", "U0NOBODY", "refused: no_role"),
    ]
    assert acts[-1] == ("keep", "U0OWNER", "successful")
    assert ("ask_undo", "U0OTHER", "undo_asked") in acts


def test_an_undo_that_has_begun_is_not_taken_back(
    service: Service, ledger: Ledger, ended: Migration
) -> None:
    """Once a worker holds it, a cancel is refused with how it stands, and another undo with who asked."""
    service.undo(Click("U0OTHER", ended.id))
    ledger.claim(ended.id, new_owner(), event=EventName.UNDO)
    refused = service.cancel(Click("U0OWNER", ended.id))
    assert (refused.reason, ledger.migration(ended.id).status) == (
        Reason.WRONG_STATE,
        Status.UNDOING,
    )
    assert service.undo(Click("U0OWNER", ended.id)).by == "U0OTHER"


def test_of_two_who_undo_at_once_one_is_told_of_the_other(
    service: Service, ledger: Ledger, ended: Migration
) -> None:
    """Two clicks at the same moment ask once, and the other person learns who was faster."""
    together = threading.Barrier(2)
    answers: dict[str, Answer] = {}

    def act(user: str) -> None:
        together.wait()
        answers[user] = service.undo(Click(user, ended.id))

    threads = [threading.Thread(target=act, args=(user,)) for user in ("U0OTHER", "U0OWNER")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loser = next(user for user, answer in answers.items() if not answer.done)
    winner = ({"U0OTHER", "U0OWNER"} - {loser}).pop()
    assert answers[winner].done
    assert (answers[loser].reason, answers[loser].by) == (Reason.ALREADY_UNDOING, winner)
    events = ledger.events(migration_id=ended.id)
    assert sum(event.name == EventName.ASK_UNDO for event in events) == 1


def test_what_has_ended_is_verified_again(
    service: Service, ledger: Ledger, ended: Migration
) -> None:
    """It takes a role on both sides; it waits for a worker, once; what has not ended well or mismatched is refused."""
    assert service.verify(Click("U0HALF", ended.id)).reason is Reason.NO_ROLE
    assert service.verify(Click("U0OTHER", ended.id)).done
    assert ledger.asked_of(ended.id) is EventName.VERIFY
    assert service.verify(Click("U0OWNER", ended.id)).reason is Reason.WRONG_STATE
    assert service.cancel(Click("U0OWNER", ended.id)).done
    assert ledger.migration(ended.id).status is ended.status
    assert service.verify(Click("U0OWNER", ended.id)).done


def test_an_unknown_migration_is_said_to_be_unknown(service: Service) -> None:
    """A button of a migration that this ledger does not have is answered."""
    answer = service.approve(Click("U0OTHER", "M-0000000"), "")
    assert answer.reason is Reason.UNKNOWN_MIGRATION
    assert "M-0000000" in answer.sentence


def test_nothing_is_allowed_while_roles_are_unknown(
    ledger: Ledger, service: Service, awaiting: Awaiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When Slack does not say who is in a group, a click is answered with that, and nothing is approved."""
    grouped = Roles(organization_owners={"acme": ("S0GROUP",)})
    monkeypatch.setattr(service._directory, "_roles", grouped)
    migration = awaiting()
    answer = approve(service, "U0SOMEONE", migration)
    assert answer.reason is Reason.IMPOSSIBLE
    assert "Slack does not say who has which role" in answer.sentence
    assert ledger.migration(migration.id).status is Status.AWAITING_APPROVAL


@pytest.mark.parametrize("left", [{"old": "old", "new": "renamed"}, {"old": "was", "new": "is"}])
def test_what_is_configured_no_longer_can_still_be_stopped(
    served: Callable[..., Service],
    configured: Callable[..., Settings],
    ledger: Ledger,
    awaiting: Awaiting,
    left: dict[str, str],
) -> None:
    """A cluster was renamed in ferry.yml: a role for what is left of its projects, or anywhere, stops it, no more."""
    migration = awaiting("U0ADMIN")
    assert approve(served(), "U0OTHER", migration).done
    clusters = {left[name]: cluster for name, cluster in configured().clusters.items()}
    service = served(clusters={n: c.model_dump() for n, c in clusters.items()})
    assert service.pause(Click("U0STRANGER", migration.id)).reason is Reason.NO_ROLE
    assert service.pause(Click("U0HALF", migration.id)).done
    assert service.resume(Click("U0OWNER", migration.id)).reason is Reason.IMPOSSIBLE
    assert service.cancel(Click("U0STRANGER", migration.id)).reason is Reason.NO_ROLE
    assert service.cancel(Click("U0OTHER", migration.id)).done
    assert ledger.migration(migration.id).status is Status.CANCELED
    other = awaiting("U0ADMIN")
    assert service.reject(Click("U0HALF", other.id)).done

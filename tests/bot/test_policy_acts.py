"""Acts under a policy: several approvals, broken glass, freezes, tickets, and what waits for what."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.approvals import Reason
from bot.directory import Directory, Person
from bot.ledger import BotLedger, Freeze, Kind, Verdict
from bot.notes import COUNTED
from bot.service import Answer, Click, Service
from bot.settings import FreezeWindow, Policy, Roles, Settings
from bot.waiting import Holds, expires_at, reminder_due, why_frozen
from engine.ledger import Ledger, new_owner
from engine.lifecycle import EventName, Status
from engine.model import Migration

Served = Callable[..., Service]
Awaiting = Callable[..., Migration]
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ALWAYS = {"start": "00:00", "end": "23:59", "reason": "inventory"}


def approve(service: Service, user: str, migration: Migration) -> Answer:
    """Approve the plan that the migration has."""
    assert migration.plan is not None
    return service.approve(Click(user, migration.id), migration.plan.hash)


def force(service: Service, user: str, migration: Migration, reason: str) -> Answer:
    """Break the glass over the plan that the migration has."""
    assert migration.plan is not None
    return service.break_glass(Click(user, migration.id), migration.plan.hash, reason)


def test_several_people_must_approve_each_counted_once(
    served: Served, ledger: Ledger, awaiting: Awaiting
) -> None:
    """Where two are needed, the first waits, counts once, and the second starts it; the third is told by whom."""
    service, migration = served(policy={"approvals": 2}), awaiting("U0ADMIN")
    first = approve(service, "U0OTHER", migration)
    assert first.done
    assert first.migration is not None
    assert first.migration.status is Status.AWAITING_APPROVAL
    again = approve(service, "U0OTHER", migration)
    assert (again.reason, again.sentence) == (
        Reason.ALREADY_COUNTED,
        "1 of 2 approvals are there.",
    )
    card = service._cards.card(migration.id)
    assert (card.approved, card.approvals_needed) == (1, 2)
    second = approve(service, "U0OWNER", migration)
    assert second.migration is not None
    assert second.migration.status is Status.QUEUED
    names = [event.name for event in ledger.events(migration_id=migration.id)]
    assert (names.count(COUNTED), names.count(EventName.APPROVE)) == (1, 1)
    third = approve(service, "U0ADMIN", migration)
    assert (third.reason, third.by) == (Reason.ALREADY_APPROVED, "U0OWNER")


def test_of_three_at_once_two_approve(
    served: Served, records: BotLedger, awaiting: Awaiting
) -> None:
    """Three approvers at the same moment where two are needed: two count, one completes it, and the third is told."""
    roles = {"organization_owners": {"acme": ["U0OWNER", "U0A", "U0B", "U0C"]}}
    service = served(policy={"approvals": 2}, roles=roles)
    for _ in range(5):
        migration = awaiting("U0ADMIN")
        with ThreadPoolExecutor(3) as threads:
            answers = list(
                threads.map(
                    lambda user, m=migration: approve(service, user, m), ("U0A", "U0B", "U0C")
                )
            )
        assert sum(answer.done for answer in answers) == 2
        (lost,) = [answer for answer in answers if not answer.done]
        last = records.decisions(migration.id)[-1]
        assert (lost.reason, lost.by) == (Reason.ALREADY_APPROVED, last.user_id)
        assert len(records.decisions(migration.id)) == 2
        service.cancel(Click("U0OWNER", migration.id))


def test_an_approval_falls_with_the_role_it_was_given_in(
    served: Served, ledger: Ledger, awaiting: Awaiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever approved and has lost the role since does not count when the next one approves."""
    owners = {"organization_owners": {"acme": ["U0A", "U0B", "U0C"]}}
    service, migration = served(policy={"approvals": 2}, roles=owners), awaiting("U0ADMIN")
    assert approve(service, "U0A", migration).done
    monkeypatch.setattr(
        service._directory, "_roles", Roles(organization_owners={"acme": ("U0B", "U0C")})
    )
    assert approve(service, "U0B", migration).done
    assert ledger.migration(migration.id).status is Status.AWAITING_APPROVAL
    assert approve(service, "U0C", migration).done
    assert ledger.migration(migration.id).status is Status.QUEUED


def test_the_glass_is_broken_with_a_reason_where_somebody_is_told(
    served: Served, records: BotLedger, awaiting: Awaiting
) -> None:
    """The requester starts their own request alone, with a reason; without a configured channel nobody can."""
    migration = awaiting("U0ADMIN")
    assert force(served(), "U0ADMIN", migration, "The old disk fails.").reason is (
        Reason.NO_BREAK_GLASS
    )
    service = served(policy={"break_glass_channel": "C0ALARM", "approvals": 2})
    assert force(service, "U0ADMIN", migration, " x ").reason is Reason.REASON_MISSING
    assert force(service, "U0HALF", migration, "The old disk fails.").reason is Reason.NO_ROLE
    forced = force(service, "U0ADMIN", migration, "The old disk fails.")
    assert forced.migration is not None
    assert forced.migration.status is Status.QUEUED
    (decided,) = records.decisions(migration.id)
    assert (decided.verdict, decided.comment) == (Verdict.FORCED, "The old disk fails.")
    late = approve(service, "U0OTHER", migration)
    assert (late.reason, late.by) == (Reason.ALREADY_APPROVED, "U0ADMIN")


def test_one_freeze_at_a_time(service: Service, records: BotLedger) -> None:
    """Of two who freeze at once one does, the other is told who; who has no role can neither freeze nor thaw."""
    assert service.freeze("U0STRANGER").reason is Reason.NO_ROLE
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda u: service.freeze(u, "audit"), ("U0HALF", "U0OTHER")))
    (won,) = [answer for answer in answers if answer.done]
    (lost,) = [answer for answer in answers if not answer.done]
    assert (lost.reason, lost.by, lost.at) == (Reason.ALREADY_FROZEN, won.by, won.at)
    assert service.thaw("U0ADMIN").reason is Reason.OTHERS_FREEZE
    assert service.thaw("U0OWNER").done
    assert service.thaw("U0OWNER").reason is Reason.NOT_FROZEN
    assert [owed.kind for owed in records.pending()] == [Kind.FREEZE, Kind.THAW]
    assert service.freeze("U0HALF").done
    assert service.thaw("U0HALF").done


def test_a_freeze_holds_what_would_start_and_not_what_was_running(
    service: Service,
    ledger: Ledger,
    records: BotLedger,
    configured: Callable[..., Settings],
    awaiting: Awaiting,
) -> None:
    """Approved migrations do not start while frozen; one whose worker was lost goes on, for its source's writes are paused."""
    migration = awaiting()
    approve(service, "U0OTHER", migration)
    holds = Holds(ledger, records, configured())
    assert holds.why(ledger.migration(migration.id), NOW) == ""
    service.freeze("U0OWNER", "audit")
    why = holds.why(ledger.migration(migration.id), NOW)
    assert why.startswith("<@U0OWNER> has frozen all migrations since")
    assert why.endswith(": audit")
    lease = ledger.claim(migration.id, new_owner())
    ledger.finish(lease, EventName.RELEASE)
    assert holds.why(ledger.migration(migration.id), NOW) == ""


def test_a_window_holds_what_was_approved_and_not_what_was_forced(
    served: Served,
    ledger: Ledger,
    records: BotLedger,
    configured: Callable[..., Settings],
    awaiting: Awaiting,
) -> None:
    """A configured window of the target holds an approved migration; broken glass passes it, but not a person's freeze."""
    policy: dict[str, Any] = {"freeze_windows": [ALWAYS], "break_glass_channel": "C0ALARM"}
    service, migration = served(policy=policy), awaiting()
    holds = Holds(ledger, records, configured(policy=policy))
    approve(service, "U0OTHER", migration)
    assert "until 2026-11-23 23:59 UTC: inventory" in holds.why(ledger.migration(migration.id), NOW)
    service.cancel(Click("U0OTHER", migration.id))
    other = awaiting()
    force(service, "U0OTHER", other, "The old disk fails.")
    assert holds.why(ledger.migration(other.id), NOW) == ""
    service.freeze("U0OWNER")
    assert "has frozen" in holds.why(ledger.migration(other.id), NOW)


def test_why_it_is_frozen_names_the_person_before_the_window() -> None:
    """A person's freeze is told, because it is the one that has to be ended by somebody."""
    frozen = Freeze(id=1, by="U1", role="", reason="", at=NOW)
    policy = Policy(freeze_windows=(FreezeWindow.model_validate(ALWAYS),))
    assert why_frozen(frozen, policy, NOW, forced=True) == (
        "<@U1> has frozen all migrations since 2026-11-23 09:00 UTC"
    )
    assert why_frozen(None, Policy(), NOW, forced=False) == ""


@pytest.mark.parametrize(
    ("hours_later", "told", "due"),
    [
        (0, (), None),
        (19.9, (), None),
        (20, (), 4.0),
        (21, (4.0,), None),
        (23, (4.0,), 1.0),
        (23.5, (), 1.0),
        (23.5, (1.0,), None),
        (24, (4.0,), None),
    ],
)
def test_reminders_come_before_the_end_once_each(
    hours_later: float, told: tuple[float, ...], due: float | None
) -> None:
    """Four hours and one hour before a request expires; the first is left out when the second is due already."""
    policy = Policy()
    now = NOW + timedelta(hours=hours_later)
    assert reminder_due(NOW, policy, now, told) == due
    assert expires_at(NOW, policy) == NOW + timedelta(hours=24)


def test_a_short_lived_request_is_not_reminded_at_once() -> None:
    """A reminder that would come before the request was made is left out."""
    policy = Policy(request_expires_hours=2)
    assert reminder_due(NOW, policy, NOW, ()) is None
    assert reminder_due(NOW, policy, NOW + timedelta(hours=1), ()) == 1.0


def test_a_request_needs_the_ticket_of_its_target(
    served: Served, awaiting: Awaiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a ticket is needed, a request that names none is refused with the pattern; given by itself it stands in the reason."""
    monkeypatch.setattr(Directory, "person", lambda _, user_id: _here(user_id))
    service = served(policy={"ticket_pattern": r"OPS-\d+"})
    request = awaiting().request.model_copy(update={"collections": ("other",)})
    refused = service.request("U0ADMIN", request, reason="because")
    assert refused.reason is Reason.TICKET_MISSING
    assert r"OPS-\d+" in refused.sentence
    made = service.request("U0ADMIN", request, reason="because", ticket="OPS-7")
    assert made.migration is not None
    assert made.migration.reason == "OPS-7: because"


def test_too_few_approvers_are_said_at_once_with_whom_to_ask(
    served: Served, awaiting: Awaiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that too few people could approve is refused; it says who has a role where, and whom to ask."""
    service = served(policy={"approvals": 4}, contact="Pat from operations")
    monkeypatch.setattr(Directory, "person", lambda _, user_id: _here(user_id))
    answer = service.may_request("U0ADMIN", awaiting().request)
    assert answer.reason is Reason.NOBODY_CAN_APPROVE
    assert "Only Name of U0OTHER, Name of U0OWNER may approve this, and it takes 4." in (
        answer.sentence
    )
    assert "Name of U0HALF" in answer.sentence.split("acme/search: ")[1].split(";")[0]
    assert "Ask Pat from operations" in answer.sentence


@pytest.mark.parametrize(
    ("shop", "reason"), [(150, Reason.ALLOWED), (0, Reason.NOBODY_CAN_APPROVE)]
)
def test_a_large_group_of_approvers_is_not_asked_for_one_by_one(
    served: Served,
    awaiting: Awaiting,
    monkeypatch: pytest.MonkeyPatch,
    shop: int,
    reason: Reason,
) -> None:
    """Of 150 people Slack is asked about as many as are needed, or as are named; it allows 100 such questions a minute."""
    asked: set[str] = set()

    def person(_: Directory, user_id: str) -> Person:
        asked.add(user_id)
        return _here(user_id)

    monkeypatch.setattr(Directory, "person", person)
    group = [f"U0P{number:03}" for number in range(150)]
    admins = {"acme/search": ["U0ADMIN", *group], "acme/shop": ["U0ADMIN", *group[:shop]]}
    service = served(roles={"project_admins": admins})
    answer = service.may_request("U0ADMIN", awaiting().request)
    assert answer.reason is reason
    assert len(asked) <= 10
    if not answer.done:
        assert "Name of U0P000, Name of U0P001" in answer.sentence
        assert "and others" in answer.sentence


def _here(user_id: str) -> Person:
    return Person(user_id, "", active=True, name=f"Name of {user_id}")


def test_the_trail_has_who_in_which_role_and_what_was_refused(
    served: Served, ledger: Ledger, awaiting: Awaiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests, approvals, refusals of clicks and of requests, freezes and thaws: each with the role of that moment."""
    monkeypatch.setattr(Directory, "person", lambda _, user_id: _here(user_id))
    service, migration = served(policy={"approvals": 2}), awaiting("U0ADMIN")
    assert migration.plan is not None
    other = migration.request.model_copy(update={"collections": ("other",)})
    assert service.request("U0HALF", other).reason is Reason.NO_ROLE
    assert service.request("U0ADMIN", other, reason="because").done
    assert approve(service, "U0HALF", migration).reason is Reason.NO_ROLE
    assert approve(service, "U0OTHER", migration).done
    assert approve(service, "U0OWNER", migration).done
    assert service.freeze("U0HALF", "audit").done
    assert service.thaw("U0ADMIN").reason is Reason.OTHERS_FREEZE
    both = "Project Admin of acme/search and Project Admin of acme/shop"
    half = "Project Admin of acme/search"
    told = [
        (row.act, row.actor, row.role, row.outcome)
        for row in ledger.audit()
        if row.actor != "ferry"
    ]
    assert told == [
        ("requested", "U0ADMIN", "", "planning"),
        ("request", "U0HALF", "", "refused: no_role"),
        ("requested", "U0ADMIN", both, "planning"),
        ("approve", "U0HALF", half, "refused: no_role"),
        ("approval_counted", "U0OTHER", both, "noted"),
        ("approve", "U0OWNER", "Organization Owner of acme", "queued"),
        ("freeze", "U0HALF", half, "done"),
        ("thaw", "U0ADMIN", both, "refused: others_freeze"),
    ]
    approved = [row for row in ledger.audit() if row.act in {"approve", "approval_counted"}]
    assert {row.plan_hash for row in approved} == {migration.plan.hash}
    assert ledger.check_audit().problems == ()


def test_every_refusal_is_a_row_of_the_trail(
    served: Served, ledger: Ledger, awaiting: Awaiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what no transaction of an effect can hold: an unknown id, Slack that is silent or who was faster."""
    monkeypatch.setattr(Directory, "person", lambda _, user_id: _here(user_id))
    service, migration = served(), awaiting("U0ADMIN")
    silent = served(roles={"organization_owners": {"acme": ["S0GROUP"]}})
    assert service.cancel(Click("U0OTHER", "M-0000000", "1")).reason is Reason.UNKNOWN_MIGRATION
    assert silent.cancel(Click("U0OTHER", migration.id, "2")).reason is Reason.IMPOSSIBLE
    assert silent.freeze("U0OTHER", delivery="3").reason is Reason.IMPOSSIBLE
    assert service.remigrate(Click("U0OTHER", migration.id, "4")).reason is Reason.WRONG_STATE
    assert service.request("U0ADMIN", migration.request).reason is Reason.IMPOSSIBLE
    assert approve(service, "U0OTHER", migration).done
    ledger.claim(migration.id, new_owner())
    assert service.cancel(Click("U0ADMIN", migration.id)).done
    late = service.cancel(Click("U0OTHER", migration.id, "5"))
    assert (late.reason, late.by) == (Reason.ALREADY_CANCELING, "U0ADMIN")
    told = [(row.actor, row.act, row.outcome) for row in ledger.audit() if "refused" in row.outcome]
    assert told == [
        ("U0OTHER", "cancel", "refused: unknown_migration"),
        ("U0OTHER", "cancel", "refused: impossible"),
        ("U0OTHER", "freeze", "refused: impossible"),
        ("U0OTHER", "remigrate", "refused: wrong_state"),
        ("U0ADMIN", "request", "refused: impossible"),
        ("U0OTHER", "cancel", "refused: already_canceling"),
    ]
    again = [silent.cancel(Click("U0OTHER", migration.id, "2")), silent.freeze("U0OTHER", "", "3")]
    assert [answer.reason for answer in again] == [Reason.DUPLICATE] * 2
    assert sum("refused" in row.outcome for row in ledger.audit()) == len(told)

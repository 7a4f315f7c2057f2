"""What a due migration passes before its process is started."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.approvals import Reason
from bot.gate import AGAIN_SECONDS, CHECK_SECONDS
from bot.notes import FREED, HELD
from bot.planning import ACTOR, Planner
from bot.service import Click, Service
from bot.verbs import EngineVerbs
from bot.workers import Workers
from engine.errors import ConfigurationInvalid, PlanBlocked, ServiceUnavailable
from engine.ledger import Ledger, new_owner
from engine.lifecycle import EventName, Status
from engine.model import Migration, Plan, Replaced, Request, Secrets
from tests.bot.gated import Gated

Awaiting = Callable[..., Migration]


def test_it_passes_once_the_plan_was_made_again(gated: Gated, approved: Migration) -> None:
    """The first look begins to plan again, the next one finds it settled; another start has it planned once more."""
    gated.answers = [""]
    assert not gated.gate.passes(approved)
    assert gated.gate.passes(approved)
    gated.answers = [""]
    assert not gated.gate.passes(approved)
    gated.clock.seconds += CHECK_SECONDS + 1
    gated.answers = [""]
    assert not gated.gate.passes(approved)
    assert gated.answers == []


def test_a_cluster_that_does_not_answer_holds_it_and_is_asked_again(
    gated: Gated, approved: Migration, ledger: Ledger
) -> None:
    """Why it does not start is noted once, and that it does is noted too; the cluster is asked again after a while."""
    gated.answers = ["old does not answer.", "old does not answer.", ""]
    for _ in range(3):
        assert not gated.gate.passes(approved)
    assert len(gated.answers) == 2
    gated.clock.seconds += AGAIN_SECONDS + 1
    assert not gated.gate.passes(approved)
    gated.clock.seconds += AGAIN_SECONDS + 1
    gated.gate.passes(approved)
    assert gated.gate.passes(approved)
    noted = [e for e in ledger.events(migration_id=approved.id) if e.name in {HELD, FREED}]
    assert [(e.name, e.details.get("why")) for e in noted] == [
        (HELD, "old does not answer."),
        (FREED, None),
    ]


def left_loaded(ledger: Ledger, service: Service, migration: Migration) -> Migration:
    """It was canceled after its worker was lost, which had loaded a collection of the source."""
    lease = ledger.claim(migration.id, new_owner())
    ledger.set_collection(lease, "c", source_was_loaded=False)
    ledger.renew(lease, -1)
    assert service.cancel(Click("U0OTHER", migration.id)).done
    left = ledger.migration(migration.id)
    assert left.putting_back
    return left


def finish(ledger: Ledger, migration: Migration, end: EventName) -> None:
    """A worker takes it and ends it so."""
    lease = ledger.claim(migration.id, new_owner())
    if end is EventName.CANCELED:
        with ledger.transaction() as tx:
            tx.apply(migration.id, EventName.CANCEL, actor="me@here")
    ledger.finish(lease, end)


def test_a_cancel_is_carried_out_whatever_holds(
    gated: Gated, approved: Migration, service: Service, ledger: Ledger
) -> None:
    """What a lost worker left loaded is released during a freeze too, and for whoever started the migration."""
    service.freeze("U0OWNER", "audit")
    assert not gated.gate.passes(approved)
    left = left_loaded(ledger, service, approved)
    assert gated.gate.is_approved(left.model_copy(update={"plan": None}))
    assert gated.gate.passes(left)
    assert service.cancel(Click("U0ADA", left.id)).reason is Reason.ALREADY_CANCELING
    assert ledger.migration(left.id).putting_back


def test_a_cancel_ends_though_nobody_can_connect_any_more(
    gated: Gated, approved: Migration, service: Service, ledger: Ledger
) -> None:
    """Where the configuration knows a cluster no more, what is loaded there cannot be released: it is canceled as it is."""

    def nowhere(_: Request) -> Secrets:
        raise ConfigurationInvalid("No cluster “new” is configured.", next_step="Add it.")

    left_loaded(ledger, service, approved)
    Workers(
        ledger=ledger,
        gate=gated.gate,
        verbs=EngineVerbs(),
        secrets=nowhere,
        database_url="",
        limit=1,
        changed=lambda: None,
    ).round()
    assert ledger.migration(approved.id).status is Status.CANCELED
    assert ledger.collection_states(approved.id)[0].borrowed


@pytest.mark.parametrize("ended", ["before the freeze", "during the freeze"])
def test_a_plan_that_was_made_again_before_a_freeze_does_not_count_after_it(
    gated: Gated, approved: Migration, service: Service, ended: str
) -> None:
    """Whatever was written meanwhile has to be seen: when the freeze ends it is planned once more, whenever that ended."""
    gated.answers = ["", ""]
    gated.planning = planning = []
    assert not gated.gate.passes(approved)
    if ended == "before the freeze":
        planning[0]()
    service.freeze("U0OWNER", "audit")
    assert not gated.gate.passes(approved)
    if ended == "during the freeze":
        planning[0]()
    service.thaw("U0OWNER")
    assert not gated.gate.passes(approved)
    planning[1]()
    assert gated.gate.passes(approved)


def test_what_the_command_line_queued_is_not_the_bots(gated: Gated, plan_for: Any) -> None:
    """A migration that nobody approved in Slack is left to whoever queued it."""
    ledger = gated.gate._ledger
    with ledger.transaction() as tx:
        migration = tx.add_migration(plan_for().request, requester="me@host")
        tx.record_plan(migration.id, plan_for(), "me@host")
        migration = tx.apply(migration.id, EventName.ENQUEUE, actor="me@host")
    assert not gated.gate.is_approved(migration)


class Surveyed(EngineVerbs):
    """The engine, except that the survey of both sides finds what the test says."""

    def __init__(self, found: Plan | Exception) -> None:
        self.found = found

    def plan(self, request: Request, secrets: Secrets) -> Plan:
        """What was found."""
        del request, secrets
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.mark.parametrize(
    ("found", "status", "why"),
    [
        ("same", Status.QUEUED, ""),
        ("more entities", Status.QUEUED, ""),
        ("another field", Status.AWAITING_APPROVAL, ""),
        ("something to delete", Status.AWAITING_APPROVAL, ""),
        (
            ServiceUnavailable("old is away.", next_step="Wait."),
            Status.QUEUED,
            "old is away. Wait.",
        ),
        (PlanBlocked("It stands there."), Status.FAILED, ""),
    ],
)
def test_what_planning_again_does(
    found: Any,
    status: Status,
    why: str,
    approved: Migration,
    ledger: Ledger,
    plan_for: Callable[..., Plan],
) -> None:
    """Another definition or deletion needs another approval, more entities do not; what cannot be planned ends, an outage waits."""
    changes: list[str] = []
    if found == "same":
        found = plan_for()
    elif found == "more entities":
        found = plan_for(12)
    elif found == "another field":
        changed = (
            plan_for(12).collections[0].model_copy(update={"fields": ("id: INT64", "x: JSON")})
        )
        found = plan_for().model_copy(update={"collections": (changed,)})
        changes = ["“articles”: fields: x: JSON is new.", "“articles”: 10 → 12 entities."]
    elif found == "something to delete":
        doomed = {"replaces": Replaced(id=7, entities=1_234)}
        changed = plan_for().collections[0].model_copy(update=doomed)
        found = plan_for().model_copy(update={"collections": (changed,)})
        changes = ["“articles”: what stands on the target now would be DELETED: 1,234 entities."]
    planner = Planner(ledger, Surveyed(found), lambda _: Secrets(), lambda: None)
    assert planner.recheck(approved.id) == why
    after = ledger.migration(approved.id)
    assert after.status is status
    assert (after.cleared_at is None) == (status is not Status.QUEUED)
    if status is Status.AWAITING_APPROVAL:
        (reopened,) = [
            e for e in ledger.events(migration_id=after.id) if e.name == EventName.REOPEN
        ]
        assert reopened.actor == ACTOR
        assert reopened.details["changes"] == changes
    if status is Status.FAILED:
        assert after.error is not None
        assert after.error.message == "It stands there."


@pytest.mark.parametrize("end", [EventName.SUCCEED, EventName.CANCELED])
def test_an_undo_that_was_asked_for_waits_for_the_end_of_a_freeze(
    gated: Gated, ledger: Ledger, service: Service, awaiting: Awaiting, end: EventName
) -> None:
    """It needs no new plan; a freeze holds it, with the reason, until it ends; one that has begun goes on."""
    migration = awaiting()
    assert migration.plan is not None
    service.approve(Click("U0OTHER", migration.id), migration.plan.hash)
    finish(ledger, migration, end)
    service.undo(Click("U0OTHER", migration.id))
    service.freeze("U0OWNER", "audit")
    asked = ledger.migration(migration.id)
    assert gated.gate.is_approved(asked)
    assert not gated.gate.passes(asked)
    held = ledger.events(migration_id=migration.id)[-1]
    assert (held.name, "audit" in held.details["why"]) == (HELD, True)
    lease = ledger.claim(migration.id, new_owner(), event=EventName.UNDO)
    assert gated.gate.passes(ledger.finish(lease, EventName.RELEASE))


@pytest.mark.parametrize("end", [EventName.SUCCEED, EventName.CANCELED])
def test_an_undo_of_the_command_line_is_not_the_bots(
    gated: Gated, ledger: Ledger, plan_for: Callable[..., Plan], end: EventName
) -> None:
    """What was queued and undone on a command line that died is left to it; asked for in Slack, it is the bot's."""
    plan = plan_for()
    with ledger.transaction() as tx:
        migration = tx.add_migration(plan.request, requester="me@here", status=Status.QUEUED)
    finish(ledger, migration, end)
    lease = ledger.claim(migration.id, new_owner(), event=EventName.UNDO_NOW)
    interrupted = ledger.finish(lease, EventName.RELEASE)
    assert not gated.gate.is_approved(interrupted)
    with ledger.transaction() as tx:
        tx.apply(migration.id, EventName.KEEP, actor="me@here")
        asked = tx.apply(migration.id, EventName.ASK_UNDO, actor="U0OTHER")
    assert gated.gate.is_approved(asked)

"""The plan in the channel and its file, the cut-over checklist, a freeze on a waiting request, and who is told of the end."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.approvals import Reason
from bot.checklist import Step, may_be_ticked
from bot.frozen import FrozenRequests
from bot.ledger import BotLedger
from bot.narrator import recipients
from bot.notes import FROZEN, TICKED, UNFROZEN
from bot.sandbox import Sandbox, words_of
from bot.service import Click, Service
from bot.settings import Settings
from bot.views import buttons
from engine.ledger import Ledger, new_owner
from engine.lifecycle import EventName, Status
from engine.model import Event, Migration
from tests.bot.requests import waiting
from tests.bot.story import ADA, CHANNEL, GRACE, LINUS, OLGA, Story


def test_a_step_is_ticked_once_and_taken_back(
    service: Service, ledger: Ledger, records: BotLedger, awaiting: Callable[..., Migration]
) -> None:
    """The first of two counts, the second is told who; a tick is taken back; each is in the trail with its role."""
    click = Click("U0HALF", awaiting().id)
    other = click._replace(user_id="U0OTHER")
    assert service.tick(click, Step.PAUSE_WRITES).done
    late = service.tick(other, Step.PAUSE_WRITES)
    assert (late.reason, late.by) == (Reason.ALREADY_TICKED, "U0HALF")
    (tick,) = service._cards.card(click.migration_id).ticks
    assert (tick.user_id, tick.role) == ("U0HALF", "Project Admin of acme/search")
    assert service.tick(other, Step.PAUSE_WRITES, done=False).done
    again = service.tick(click, Step.PAUSE_WRITES, done=False)
    assert (again.reason, again.by) == (Reason.NOT_TICKED, "U0OTHER")
    assert service._cards.card(click.migration_id).ticks == ()
    assert [each.done for each in records.ticks(click.migration_id)] == [True, False]
    acts = [(e.act, e.actor, e.outcome) for e in ledger.audit() if "tick" in e.act]
    assert acts == [
        ("tick", "U0HALF", "done"),
        ("tick", "U0OTHER", "refused: already_ticked"),
        ("untick", "U0OTHER", "done"),
        ("untick", "U0HALF", "refused: not_ticked"),
    ]
    assert all(e.role for e in ledger.audit() if "tick" in e.act)


def test_nobody_ticks_what_is_too_early_or_ferrys_own(
    service: Service, ledger: Ledger, awaiting: Callable[..., Migration]
) -> None:
    """Before the validation nobody switches over; what Ferry knows nobody ticks; after it both go on."""
    migration = awaiting()
    click = Click("U0ADMIN", migration.id)
    early = service.tick(click, Step.SWITCH)
    assert (early.reason, "not validated yet" in early.sentence) == (Reason.WRONG_STATE, True)
    assert "by itself" in service.tick(click, Step.VALIDATE).sentence
    assert (
        service.tick(Click("U0STRANGER", migration.id), Step.PAUSE_WRITES).reason is Reason.NO_ROLE
    )
    with ledger.transaction() as tx:
        tx.apply(migration.id, EventName.APPROVE, actor="U0OTHER")
    ledger.finish(ledger.claim(migration.id, new_owner()), EventName.SUCCEED)
    assert service.tick(click, Step.SWITCH).done


@pytest.mark.parametrize("status", Status)
def test_no_step_of_a_request_that_went_nowhere_can_be_ticked(status: Status) -> None:
    """What ended without ever being allowed to run has no step that waits for anybody."""
    over = status not in {Status.AWAITING_APPROVAL, Status.QUEUED, Status.RUNNING, Status.PAUSED}
    if over and status is not Status.SUCCESSFUL:
        assert not any(may_be_ticked(step, status, cleared=False) for step in Step)


def test_requester_and_approvers_are_told_and_who_ended_it_is_not() -> None:
    """Each once, whatever they did how often; who canceled it just now knows."""
    end = Event.model_construct(actor=GRACE)
    assert recipients(end, ADA, [GRACE, OLGA, GRACE, ADA]) == (ADA, OLGA)


def test_a_freeze_is_noted_at_what_waits(
    ledger: Ledger,
    records: BotLedger,
    served: Callable[..., Service],
    configured: Callable[..., Settings],
    awaiting: Callable[..., Migration],
) -> None:
    """A person's freeze and a configured window: noted when they begin and when they end, once, by whichever replica is first."""
    migration = awaiting()
    service, rounds = served(), FrozenRequests(ledger, records, configured(), lambda: None)

    def noted() -> list[str]:
        names = [event.name for event in ledger.events(migration_id=migration.id)]
        return [name for name in names if name in {FROZEN, UNFROZEN}]

    rounds.note()
    assert noted() == []
    assert service.freeze("U0OWNER", "audit").done
    for _ in range(2):
        rounds.note()
    assert noted() == [FROZEN]
    assert "has frozen all migrations" in service._cards.card(migration.id).hold
    assert service.thaw("U0OWNER").done
    rounds.note()
    assert noted() == [FROZEN, UNFROZEN]
    window = {"start": "2000-01-01T00:00", "end": "2999-01-01T00:00", "reason": "inventory"}
    later = configured(policy={"freeze_windows": [window]})
    FrozenRequests(ledger, records, later, lambda: None).note()
    assert noted() == [FROZEN, UNFROZEN, FROZEN]


def checklist(story: Story, root: dict[str, Any]) -> dict[str, Any]:
    """The checklist in a thread, as it is now."""
    return story.wait_for_reply(root, "Cut-over checklist")


def test_a_cut_over_from_the_plan_to_the_last_tick(story: Story) -> None:
    """The plan and its file; a freeze shown and gone; ticks by people and by Ferry, over a restart; the end told in person."""
    sandbox: Sandbox = story.sandbox
    root = story.request(ADA, reason="Move (OPS-1)")
    assert "Expected duration:* less than a minute. A guess" in words_of(root)
    plan = sandbox.wait_for(
        lambda: next((f for f in sandbox.files if "-plan-" in f.name and f.content), None),
        60,
        "plan",
    )
    text = plan.content.decode()
    assert plan.name.startswith(story.id_of(root))
    assert "== products" in text
    assert "825 entities" in text
    assert "Reason:           Move (OPS-1)" in text
    assert "0 of 5 steps done" in words_of(checklist(story, root))
    assert sandbox.user(OLGA).command("/migrate", "freeze audit of <all>", channel=CHANNEL)
    sandbox.wait_for(lambda: "*Frozen now.*" in words_of(story.root(root)), 30, "the freeze")
    assert "audit of &lt;all&gt;" in words_of(story.root(root))
    assert sandbox.user(OLGA).command("/migrate", "thaw", channel=CHANNEL)
    sandbox.wait_for(lambda: "*Frozen now.*" not in words_of(story.root(root)), 30, "its end")

    before = checklist(story, root)
    sandbox.user(LINUS).click(before, buttons.TICK)
    story.told(LINUS, "You may not do this")
    sandbox.user(GRACE).click(before, buttons.TICK)
    story.wait_for_reply(root, f"<@{GRACE}> (Project Admin of acme/search)")
    assert "1 of 5 steps done" in words_of(checklist(story, root))
    story.restart()
    sandbox.user(OLGA).click(before, buttons.TICK)
    assert f"<@{GRACE}>" in story.told(OLGA, "already ticked")
    sandbox.user(OLGA).click(root, buttons.APPROVE)
    story.wait_for_status(root, Status.SUCCESSFUL)
    story.wait_for_reply(root, "3 of 5 steps done")
    switch = f"{story.id_of(root)} {Step.SWITCH}"
    resume = f"{story.id_of(root)} {Step.RESUME_WRITES}"
    for value in (switch, resume):
        sandbox.user(ADA).click(checklist(story, root), buttons.TICK, value)
    story.wait_for_reply(root, "5 of 5 steps done")
    assert story.events(root, TICKED) == 3

    for person in (ADA, OLGA):
        told = story.told_directly(person, "is complete and verified")
        assert "Switch reads and writes to `new` / `default`" in told
        assert "Open its thread" in told
    sandbox.wait_for(lambda: not story.bot.records.pending(), 60, "everything told")
    for person, times in ((ADA, 1), (OLGA, 1), (GRACE, 0)):
        room = sandbox.direct_channel(person)
        said = [words_of(message) for message in sandbox.messages(room)]
        assert sum("is complete and verified" in text for text in said) == times
    lists = [r for r in story.replies(root) if "Cut-over checklist" in words_of(r)]
    assert len(lists) == 1


def test_the_end_of_a_request_is_told_to_who_asked(
    story_of: Callable[[Settings], Story], quiet: Settings
) -> None:
    """A rejection reaches the requester in person, and nobody else; what they withdraw themselves they need not be told.

    Somebody who has left Slack by now holds nothing up.
    """
    story = story_of(quiet)
    rejected, withdrawn = (waiting(story.ledger, number=number).id for number in (1, 2))
    gone = waiting(story.ledger, "U0GONE", number=9).id
    assert story.bot.service.reject(Click(OLGA, gone), "Who is this?").done
    assert story.bot.service.reject(Click(OLGA, rejected), "Not today").done
    assert story.bot.service.cancel(Click(ADA, withdrawn)).done
    assert f"rejected by <@{OLGA}>" in story.told_directly(ADA, rejected)
    story.sandbox.wait_for(lambda: not story.bot.records.pending(), 60, "everything told")
    for user, times in ((ADA, 1), (OLGA, 0)):
        room = story.sandbox.direct_channel(user)
        assert len(story.sandbox.messages(room)) == times

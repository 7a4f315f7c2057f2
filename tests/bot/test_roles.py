"""Who may not, may not: every button, and a role that was withdrawn a moment ago."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.approvals import Reason
from bot.checklist import Step
from bot.notes import REFUSED, REMIGRATED
from bot.sandbox import words_of
from bot.service import Answer, Click, Service
from bot.settings import Settings
from bot.views import buttons
from engine.ledger import Ledger, new_owner
from engine.lifecycle import EventName, Status
from engine.model import CollectionReport, Migration
from tests.bot.requests import waiting

LINUS, GRACE, OLGA, CHANNEL, ADMINS = "U0LINUS", "U0GRACE", "U0OLGA", "C0MIGRATE", "S0ADMINS"

ACTS: dict[str, Callable[[Service, Click, str], Answer]] = {
    buttons.APPROVE: lambda service, click, plan: service.approve(click, plan),
    buttons.REJECT: lambda service, click, _: service.reject(click),
    buttons.CANCEL: lambda service, click, _: service.cancel(click),
    buttons.PAUSE: lambda service, click, _: service.pause(click),
    buttons.RESUME: lambda service, click, _: service.resume(click),
    buttons.REPAIR: lambda service, click, _: service.repair(click),
    buttons.REMIGRATE: lambda service, click, _: service.remigrate(click),
    buttons.VERIFY: lambda service, click, _: service.verify(click),
    buttons.UNDO: lambda service, click, _: service.undo(click),
    buttons.TICK: lambda service, click, _: service.tick(click, Step.PAUSE_WRITES),
    buttons.UNTICK: lambda service, click, _: service.tick(click, Step.PAUSE_WRITES, done=False),
    buttons.BREAK_GLASS: lambda service, click, plan: service.break_glass(click, plan, "Fire."),
}


@pytest.fixture
def mismatched(ledger: Ledger, awaiting: Callable[..., Migration]) -> Callable[[], Migration]:
    """`mismatched()`: a migration that ended with a difference."""

    def make() -> Migration:
        migration = awaiting()
        with ledger.transaction() as tx:
            tx.apply(migration.id, EventName.APPROVE, actor="U0OTHER")
        lease = ledger.claim(migration.id, new_owner())
        report = CollectionReport(name="articles", source_entities=10, missing=1)
        ledger.set_collection(lease, "articles", phase="verified", report=report)
        return ledger.finish(lease, EventName.MISMATCH)

    return make


def test_every_button_has_an_act() -> None:
    """The tests below know every button that a message can have."""
    assert set(ACTS) == set(buttons.ACTION_IDS)


@pytest.fixture
def service(served: Callable[..., Service]) -> Service:
    """The service, where the glass can be broken."""
    return served(policy={"break_glass_channel": "C0ALARM"})


@pytest.mark.parametrize("action_id", ACTS)
@pytest.mark.parametrize("state", ["awaiting", "mismatched"])
def test_no_button_does_anything_for_someone_without_a_role(
    action_id: str, state: str, service: Service, ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    """Whoever has no role changes nothing with any button, in its own state and in another, and is told why."""
    migration = request.getfixturevalue(state)()
    assert migration.plan is not None
    before = len(ledger.migrations())
    click = Click("U0STRANGER", migration.id)
    answer = ACTS[action_id](service, click, migration.plan.hash)
    too_late = {Reason.WRONG_STATE, Reason.ALREADY_APPROVED}
    assert answer.reason is Reason.NO_ROLE or answer.reason in too_late
    assert ledger.migration(migration.id).status is migration.status
    assert len(ledger.migrations()) == before
    of_an_end = {buttons.RESUME, buttons.REPAIR, buttons.REMIGRATE, buttons.VERIFY, buttons.UNDO}
    own = "mismatched" if action_id in of_an_end else "awaiting"
    if state == own:
        assert answer.reason is Reason.NO_ROLE
        assert ("acme/shop" if action_id == buttons.UNDO else "acme/search") in answer.sentence


def test_what_is_migrated_again_is_not_mended_beside_that(
    mismatched: Callable[[], Migration],
    awaiting: Callable[..., Migration],
    service: Service,
    ledger: Ledger,
) -> None:
    """Repair and Resume of what is migrated again are refused, and name the new one; once that came to nothing they count."""
    old, again = mismatched(), awaiting()
    with ledger.transaction() as tx:
        tx.note(old.id, REMIGRATED, "U0OTHER", {"as": again.id})
    for act in (service.repair, service.resume, service.retry):
        refused = act(Click("U0OTHER", old.id))
        assert refused.reason is Reason.WRONG_STATE
        assert f"is migrated again as {again.id}, which stands as PENDING." in refused.sentence
        assert f"Cancel {again.id} first" in refused.sentence
    assert service.cancel(Click("U0OTHER", again.id)).done
    assert service.repair(Click("U0OTHER", old.id)).done


def test_buttons_clicked_by_who_may_not_and_by_who_may_no_longer(story: Any) -> None:
    """Linus is refused at each button of a request; Grace was taken out of the group a moment ago, and cannot approve."""
    root = story.request()
    linus = story.sandbox.user(LINUS)
    for number, action_id in enumerate((buttons.APPROVE, buttons.REJECT, buttons.CANCEL), 1):
        linus.click(root, action_id)
        story.sandbox.wait_for(
            lambda number=number: len(linus.ephemerals(CHANNEL)) == number, 10, "an answer"
        )
    assert all("You may not do this" in words_of(said) for said in linus.ephemerals(CHANNEL))
    story.sandbox.set_usergroup(ADMINS, [LINUS])
    story.sandbox.user(GRACE).click(root, buttons.APPROVE)
    assert "acme/search" in story.told(GRACE, "You may not do this")
    assert story.status(root) is Status.AWAITING_APPROVAL
    assert story.events(root, REFUSED) == 4
    linus.click(root, buttons.APPROVE)
    story.wait_for_reply(root, f"Approved by <@{LINUS}>")


def test_what_crosses_organizations_takes_a_role_in_both(
    story_of: Callable[[Settings], Any], quiet: Settings, ledger: Ledger
) -> None:
    """Olga administers the source's project alone and is told which is lacking; Grace administers both and approves."""
    there = {"organization": "globex", "project": "shop"}
    roles = {"acme/search": [ADMINS, "olga@acme.example"], "globex/shop": [ADMINS]}
    settings = quiet.model_copy(
        update={
            "clusters": quiet.clusters | {"new": quiet.clusters["new"].model_copy(update=there)},
            "roles": quiet.roles.model_copy(update={"project_admins": roles}),
        }
    )
    migration_id = waiting(ledger).id
    story = story_of(settings)
    (root,) = story.sandbox.wait_for(lambda: story.sandbox.messages(CHANNEL), 60, "the plan")
    story.sandbox.user(OLGA).click(root, buttons.APPROVE)
    refusal = story.told(OLGA, "You may not do this")
    assert "globex/shop" in refusal
    assert "acme/search" not in refusal
    assert ledger.migration(migration_id).status is Status.AWAITING_APPROVAL
    story.sandbox.user(GRACE).click(root, buttons.APPROVE)
    story.wait_for_reply(root, f"Approved by <@{GRACE}>")

"""The bot with its ledger on PostgreSQL: the same story as on SQLite."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bot.approvals import Reason
from bot.sandbox import words_of
from bot.service import Click
from bot.settings import Settings
from bot.views import buttons
from engine.ledger import AuditFilter
from engine.lifecycle import EventName, Status

ADA, GRACE, OLGA, CHANNEL = "U0ADA", "U0GRACE", "U0OLGA", "C0MIGRATE"


def test_a_migration_on_postgresql_from_request_to_proof(
    story_of: Callable[[Settings], Any], world: Settings, postgres: Callable[[], str]
) -> None:
    """Two approve at once and one wins; the bot is restarted while it runs; the thread has the proof and the trail is whole."""
    policy = world.policy.model_copy(update={"approvals": 2, "requester_may_approve": True})
    changed = {"database_url": postgres(), "policy": policy}
    story = story_of(world.model_copy(update=changed))
    root = story.request()
    for user in (ADA, GRACE):
        assert story.sandbox.user(user).command("/migrate", "freeze audit", channel=CHANNEL)
    story.sandbox.wait_for(story.bot.service.frozen, 60, "the freeze")
    story.sandbox.user(ADA).click(root, buttons.APPROVE)
    story.wait_for_reply(root, "1 of 2")
    migration = story.ledger.migration(story.id_of(root))
    with ThreadPoolExecutor(2) as threads:
        clicks = [Click(user, migration.id) for user in (GRACE, OLGA)]
        approve = story.bot.service.approve
        answers = list(threads.map(lambda click: approve(click, migration.plan.hash), clicks))
    (won,) = [answer for answer in answers if answer.done]
    (lost,) = [answer for answer in answers if not answer.done]
    assert (lost.reason, lost.by) == (Reason.ALREADY_APPROVED, won.by)
    story.wait_for_reply(root, "It does not start now")
    story.hold_next("writing:1")
    assert story.sandbox.user(ADA).command("/migrate", "thaw", channel=CHANNEL)
    story.held(root).resume()
    story.stop()
    story.start()
    assert "825" in words_of(story.wait_for_reply(root, "VERIFIED"))
    story.wait_for_status(root, Status.SUCCESSFUL)
    story.sandbox.wait_for(lambda: not story.bot.records.pending(), 60, "everything told")
    assert "SUCCESSFUL" in words_of(story.root(root))
    assert story.events(root, EventName.APPROVE) == 1
    frozen = [row.outcome for row in story.ledger.audit(AuditFilter(act="freeze"))]
    assert sorted(frozen) == ["done", "refused: already_frozen"]
    assert story.ledger.check_audit().problems == ()

"""Requests that tests put into the ledger themselves, between clusters that are not there."""

from typing import Any

from bot.sandbox import words_of
from engine.ledger import Ledger
from engine.lifecycle import EventName
from engine.model import Endpoint, Migration, Plan, Request
from tests.bot.story import ADA, CHANNEL, Story


def wish(number: int, target: str = "new") -> Request:
    """A request for one collection of its own."""
    source = Endpoint(name="old", uri="http://127.0.0.1:9")
    at = Endpoint(name=target, uri="http://127.0.0.1:9", database="copy")
    return Request(source=source, target=at, collections=(f"c{number}",))


def waiting(
    ledger: Ledger, requester: str = ADA, plan: Plan | None = None, number: int = 9_999
) -> Migration:
    """A request that waits for approval, with a plan of nothing or the collections of another plan."""
    request = wish(number if requester == ADA else number - 1)
    of = plan.collections if plan else ()
    plan = Plan(request=request, source_version="2", target_version="2", collections=of)
    with ledger.transaction() as tx:
        migration = tx.add_migration(request, requester=requester)
        tx.record_plan(migration.id, plan, "ferry")
        return tx.apply(migration.id, EventName.PLANNED, actor="ferry")


def posted(story: Story, plan: Plan, **given: Any) -> dict[str, Any]:
    """The message of a request that waits for approval."""
    migration = waiting(story.ledger, plan=plan, **given)

    def root() -> dict[str, Any] | None:
        messages = story.sandbox.messages(CHANNEL)
        return next((m for m in messages if migration.id in words_of(m)), None)

    return story.sandbox.wait_for(root, 60, "the message")

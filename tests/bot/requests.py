"""Requests that tests put into the ledger themselves, between clusters that are not there."""

from engine.ledger import Ledger
from engine.lifecycle import EventName
from engine.model import Endpoint, Migration, Plan, Request
from tests.bot.story import ADA


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

"""A ledger with requests in it, as the bot keeps them, for tests that need no Slack."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.cards import Cards
from bot.directory import Directory
from bot.ledger import BotLedger
from bot.service import Service
from bot.settings import Settings
from bot.verbs import EngineVerbs
from engine.ledger import Ledger
from engine.lifecycle import EventName
from engine.model import CollectionPlan, Migration, PartitionPlan, Plan, Request


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Settings]:
    """`configured(**changes)`: two clusters in two projects; U0OWNER owns all, U0ADMIN and U0OTHER administer both projects."""

    def make(**changes: Any) -> Settings:
        given: dict[str, Any] = {
            "database_url": f"sqlite:///{tmp_path / 'ferry.db'}",
            "approvals_channel": "C0APPROVALS",
            "clusters": {
                "old": {"uri": "http://old:19530", "organization": "acme", "project": "search"},
                "new": {"uri": "http://new:19530", "organization": "acme", "project": "shop"},
            },
            "roles": {
                "organization_owners": {"acme": ["U0OWNER"]},
                "project_admins": {
                    "acme/search": ["U0ADMIN", "U0OTHER", "U0HALF"],
                    "acme/shop": ["U0ADMIN", "U0OTHER"],
                },
            },
        }
        return Settings.model_validate(given | changes)

    return make


@pytest.fixture
def ledger(configured: Callable[..., Settings]) -> Iterator[Ledger]:
    """An empty ledger on SQLite."""
    with Ledger.open(configured().database_url) as opened:
        yield opened


@pytest.fixture
def records(ledger: Ledger) -> BotLedger:
    """The bot's part of the ledger."""
    return BotLedger(ledger)


@pytest.fixture
def service(ledger: Ledger, records: BotLedger, configured: Callable[..., Settings]) -> Service:
    """The service over the ledger; its Slack is not there, and plain user ids need none."""
    settings = configured()
    client = WebClient(token="xoxb-none", base_url="http://127.0.0.1:9/api/", timeout=1)
    directory = Directory(client, settings.roles)
    cards = Cards(ledger, records, settings, directory, EngineVerbs())
    return Service(
        settings=settings,
        ledger=ledger,
        records=records,
        directory=directory,
        cards=cards,
        verbs=EngineVerbs(),
        changed=lambda: None,
    )


@pytest.fixture
def plan_for(configured: Callable[..., Settings]) -> Callable[..., Plan]:
    """`plan_for(entities=10)`: a plan from `old` to `new` with one collection."""

    def make(entities: int = 10) -> Plan:
        settings = configured()
        request = Request(source=settings.endpoint("old"), target=settings.endpoint("new"))
        collection = CollectionPlan(
            name="articles",
            definition="",
            fields=("id: INT64",),
            primary_field="id",
            primary_type="INT64",
            auto_id=False,
            entities=entities,
            bytes=entities * 100,
            partitions=(PartitionPlan(name="_default", entities=entities),),
            partition_key=False,
            num_partitions=1,
            shards=1,
            consistency_level="Strong",
            properties={},
            indexes=(),
            aliases=(),
            loaded=True,
        )
        versions = {"source_version": "2.6.0", "target_version": "2.6.0"}
        return Plan(request=request, collections=(collection,), **versions)

    return make


@pytest.fixture
def awaiting(ledger: Ledger, plan_for: Callable[..., Plan]) -> Callable[..., Migration]:
    """`awaiting(requester="U0ADMIN")`: a migration that waits for approval."""

    def make(requester: str = "U0ADMIN") -> Migration:
        plan = plan_for()
        with ledger.transaction() as tx:
            migration = tx.add_migration(plan.request, requester=requester)
            tx.record_plan(migration.id, plan, "ferry")
            return tx.apply(migration.id, EventName.PLANNED, actor="ferry")

    return make

"""A ledger with requests in it, as the bot keeps them, for tests that need no Slack."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from slack_sdk import WebClient

from bot.cards import Cards
from bot.demo.clusters import start_lite
from bot.directory import Directory
from bot.ledger import BotLedger
from bot.runtime import Pace
from bot.sandbox import AppConfig, Sandbox, WorkspaceConfig
from bot.scheduler import Ticks
from bot.service import Service
from bot.settings import Settings
from bot.verbs import EngineVerbs
from engine.ledger import Ledger
from engine.lifecycle import EventName
from engine.milvus.sample import fill
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


ADA, GRACE, LINUS, OLGA = "U0ADA", "U0GRACE", "U0LINUS", "U0OLGA"
CHANNEL, ADMINS = "C0MIGRATE", "S0ADMINS"
QUICK = Pace(
    ticks=Ticks(plan=0.2, start=0.2, rescue=0.5, expire=0.5, forget=60),
    progress_seconds=0.2,
    narrator_seconds=0.2,
    rates={},
)
"""The bot's clocks as fast as a test can bear; no budget, because the sandbox has none unless it is asked."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A workspace with the app of `manifest.yml`: Ada owns, Grace is admin by group, Olga by e-mail; Linus has no role."""
    manifest = yaml.safe_load((Path(__file__).parents[2] / "manifest.yml").read_text())
    app = AppConfig.from_manifest(manifest)
    people = {ADA: "ada", GRACE: "grace", LINUS: "linus", OLGA: "olga"}
    config = WorkspaceConfig.model_validate(
        {
            "users": [
                {"id": key, "name": name, "email": f"{name}@acme.example"}
                for key, name in people.items()
            ],
            "channels": [{"id": CHANNEL, "name": "migrations", "members": [*people, app.bot_user]}],
            "usergroups": [{"id": ADMINS, "handle": "search-admins", "users": [GRACE]}],
            "apps": [app.model_dump()],
        }
    )
    with Sandbox(config) as running:
        yield running
        assert [entry.args for entry in running.journal.refused()] == []


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a Milvus Lite server with the sample collections, small; nobody writes to it."""
    folder = tmp_path_factory.mktemp("filled")
    with start_lite(folder / "source", log=folder / "source.log") as server:
        server.wait()
        fill(server.uri, scale=0.05)
        yield server.uri


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of an empty Milvus Lite server; tests use databases or clusters of their own."""
    folder = tmp_path_factory.mktemp("empty")
    with start_lite(folder / "target", log=folder / "target.log") as server:
        yield server.wait().uri


@pytest.fixture
def world(tmp_path: Path, sandbox: Sandbox, filled: str, empty: str) -> Settings:
    """Settings that join the workspace and the clusters: `old` (filled) and `new` (empty), and new clusters."""
    (tmp_path / "clusters").mkdir()
    app = sandbox.config.apps[0]
    place = {"organization": "acme", "project": "search"}
    return Settings.model_validate(
        {
            "database_url": f"sqlite:///{tmp_path / 'ferry.db'}",
            "approvals_channel": CHANNEL,
            "slack": {"api_url": sandbox.api_url},
            "clusters": {
                "old": {"uri": filled, **place},
                "new": {"uri": empty, "warning": "Freeze the shop first.", **place},
            },
            "new_clusters": {"folder": str(tmp_path / "clusters"), **place},
            "roles": {
                "organization_owners": {"acme": [ADA]},
                "project_admins": {"acme/search": [ADMINS, "olga@acme.example"]},
            },
            "slack_bot_token": app.bot_token,
            "slack_app_token": app.app_token,
        }
    )

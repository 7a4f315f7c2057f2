"""What the bot's tests stand on: a ledger with requests for tests that need no Slack, and the whole bot in a sandbox workspace."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from slack_sdk import WebClient

from bot.budget import Budget, Rate
from bot.cards import Cards
from bot.courier import Courier
from bot.directory import Directory
from bot.ledger import BotLedger
from bot.outbox import Room
from bot.sandbox import AppConfig, Sandbox, WorkspaceConfig
from bot.service import Click, Service
from bot.settings import Settings
from bot.verbs import EngineVerbs
from engine.ledger import Ledger
from engine.lifecycle import EventName
from engine.milvus import definitions
from engine.milvus.connection import connect
from engine.milvus.sample import fill
from engine.model import CollectionPlan, Endpoint, Migration, PartitionPlan, Plan, Request
from tests.beds.forks import Forks
from tests.beds.ledgers import put
from tests.bot.forked import ForkedVerbs
from tests.bot.gated import Gated
from tests.bot.story import ADA, ADMINS, ALARM, CHANNEL, GRACE, LINUS, OLGA, PATIENT, PRIVATE, Story
from tests.bot.telling import SetClock, Telling
from tests.crash.workers import Workers


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
def ledger_url(configured: Callable[..., Settings]) -> str:
    """Where the ledger is: on SQLite, unless a module says otherwise."""
    return configured().database_url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger."""
    with Ledger.open(put(ledger_url, with_bot=True)) as opened:
        yield opened


@pytest.fixture
def records(ledger: Ledger) -> BotLedger:
    """The bot's part of the ledger."""
    return BotLedger(ledger)


@pytest.fixture
def served(
    ledger: Ledger, records: BotLedger, configured: Callable[..., Settings]
) -> Callable[..., Service]:
    """`served(**settings)`: the service over the ledger; its Slack is not there, and plain user ids need none."""

    def make(**changes: Any) -> Service:
        settings = configured(**changes)
        client = WebClient(token="xoxb-none", base_url="http://127.0.0.1:9/api/", timeout=1)
        directory = Directory(client, settings.roles)
        return Service(
            settings=settings,
            ledger=ledger,
            records=records,
            directory=directory,
            cards=Cards(ledger, records, settings, directory, EngineVerbs()),
            verbs=EngineVerbs(),
            changed=lambda: None,
        )

    return make


@pytest.fixture
def service(served: Callable[..., Service]) -> Service:
    """The service with the policy that is the default."""
    return served()


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


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A workspace with the app of `manifest.yml`: Ada owns, Grace is admin by group, Olga by e-mail; Linus has no role."""
    manifest = yaml.safe_load((Path(__file__).parents[2] / "manifest.yml").read_text())
    app = AppConfig.from_manifest(manifest)
    people = {ADA: "ada", GRACE: "grace", LINUS: "linus", OLGA: "olga"}
    config = WorkspaceConfig.model_validate(
        {
            "users": [
                {
                    "id": key,
                    "name": name,
                    "email": f"{name}@acme.example",
                    "tz": "Europe/Berlin" if key == ADA else "Etc/UTC",
                }
                for key, name in people.items()
            ],
            "channels": [
                {"id": CHANNEL, "name": "migrations", "members": [*people, app.bot_user]},
                {"id": ALARM, "name": "alarm", "members": [ADA, app.bot_user]},
                {"id": PRIVATE, "name": "linus", "is_private": True, "members": [LINUS]},
            ],
            "usergroups": [{"id": ADMINS, "handle": "search-admins", "users": [GRACE]}],
            "apps": [app.model_dump()],
        }
    )
    with Sandbox(config, timing=replace(PATIENT)) as running:
        yield running
        assert [entry.args for entry in running.journal.refused()] == []


@pytest.fixture
def telling(
    sandbox: Sandbox, ledger: Ledger, records: BotLedger, configured: Callable[..., Settings]
) -> Callable[..., Telling]:
    """`telling(rates={}, clock=None, **settings)`: a narrator in the workspace; a clock can be shared with another one."""

    def make(
        rates: dict[str, Rate] | None = None, clock: SetClock | None = None, **changes: Any
    ) -> Telling:
        settings = configured(approvals_channel=CHANNEL, roles={}, **changes)
        clock = clock or SetClock()
        client = WebClient("xoxb-sandbox", base_url=sandbox.api_url, retry_handlers=[], timeout=30)
        directory = Directory(client, settings.roles)
        cards = Cards(ledger, records, settings, directory, EngineVerbs())
        courier = Courier(client, Budget(rates or {}, clock))
        return Telling(Room(CHANNEL, ledger, records, cards, courier), clock)

    return make


@pytest.fixture(scope="session")
def filled(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a Milvus Lite server with the sample collections, small; nobody writes to it."""
    folder = tmp_path_factory.mktemp("filled")
    with forks.lite(folder / "source", log=folder / "source.log") as server:
        server.wait()
        fill(server.uri, scale=0.05)
        yield server.uri


@pytest.fixture(scope="session")
def second_server(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of another Milvus Lite server."""
    folder = tmp_path_factory.mktemp("second")
    with forks.lite(folder / "target", log=folder / "target.log") as server:
        yield server.wait().uri


@pytest.fixture
def empty(second_server: str) -> str:
    """The URI of a Milvus Lite server that holds nothing when the test begins."""
    # Not pymilvus's client: its pings make a Milvus Lite that takes half a minute to answer hang up ("Too many pings").
    with connect(Endpoint(name="second", uri=second_server), "") as cluster:
        for name in definitions.collection_names(cluster):
            definitions.drop(cluster, name)
    return second_server


@pytest.fixture
def world(tmp_path: Path, sandbox: Sandbox, filled: str, empty: str) -> Settings:
    """Settings that join the workspace and the clusters: `old` (filled) and `new` (empty), and new clusters."""
    (tmp_path / "clusters").mkdir()
    app = sandbox.config.apps[0]
    place = {"organization": "acme", "project": "search"}
    return Settings.model_validate(
        {
            "database_url": put(f"sqlite:///{tmp_path / 'ferry.db'}", with_bot=True),
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


@pytest.fixture
def quiet(configured: Callable[..., Settings], sandbox: Sandbox) -> Settings:
    """Settings that join the workspace and two clusters that are not there: nothing is copied."""
    place = {"organization": "acme", "project": "search", "uri": "http://127.0.0.1:9"}
    app = sandbox.config.apps[0]
    settings = configured(
        approvals_channel=CHANNEL,
        slack={"api_url": sandbox.api_url},
        clusters={"old": place, "new": place},
        roles={
            "organization_owners": {"acme": [ADA]},
            "project_admins": {"acme/search": [ADMINS, "olga@acme.example"]},
        },
        slack_bot_token=app.bot_token,
        slack_app_token=app.app_token,
    )
    put(settings.database_url, with_bot=True)
    return settings


@pytest.fixture(scope="session")
def forked(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> ForkedVerbs:
    """The engine's verbs; its workers start without importing anything."""
    return ForkedVerbs(Workers(forks, tmp_path_factory.mktemp("workers")))


@pytest.fixture
def story_of(sandbox: Sandbox, forked: ForkedVerbs) -> Iterator[Callable[[Settings], Story]]:
    """`story_of(settings)`: a bot with these settings in the workspace."""
    with ExitStack() as stack:
        yield lambda settings: Story(sandbox, settings, forked, stack)


@pytest.fixture
def story(story_of: Callable[[Settings], Story], world: Settings) -> Story:
    """The bot in the workspace, over `old` (filled) and `new` (empty)."""
    return story_of(world)


@pytest.fixture
def gated(ledger: Ledger, records: BotLedger, configured: Callable[..., Settings]) -> Gated:
    """A gate over the ledger."""
    return Gated(ledger, records, configured())


@pytest.fixture
def approved(service: Service, awaiting: Callable[..., Migration]) -> Migration:
    """A migration that was approved and has not started."""
    migration = awaiting()
    assert migration.plan is not None
    answer = service.approve(Click("U0OTHER", migration.id), migration.plan.hash)
    assert answer.migration is not None
    return answer.migration

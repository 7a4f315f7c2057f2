"""What the bot's tests stand on: a ledger with requests for tests that need no Slack, and the whole bot in a sandbox workspace."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from pymilvus import MilvusClient
from slack_sdk import WebClient

from bot.cards import Cards
from bot.demo.clusters import start_lite
from bot.directory import Directory
from bot.ledger import BotLedger
from bot.runtime import Bot, Pace, running_bot
from bot.sandbox import Actor, AppConfig, Sandbox, Timing, WorkspaceConfig, words_of
from bot.scheduler import Ticks
from bot.service import Service
from bot.settings import Settings
from bot.verbs import EngineVerbs, Verbs
from bot.views.request_modal import CALLBACK_ID, RESHAPES
from engine.ledger import Ledger
from engine.lifecycle import EventName, Status
from engine.milvus.sample import fill
from engine.model import CollectionPlan, Migration, PartitionPlan, Plan, Request
from tests.bot.forked import ForkedVerbs
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
def ledger(configured: Callable[..., Settings]) -> Iterator[Ledger]:
    """An empty ledger on SQLite."""
    with Ledger.open(configured().database_url) as opened:
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


ADA, GRACE, LINUS, OLGA = "U0ADA", "U0GRACE", "U0LINUS", "U0OLGA"
CHANNEL, ADMINS, ALARM = "C0MIGRATE", "S0ADMINS", "C0ALARM"
QUICK = Pace(
    ticks=Ticks(plan=0.2, start=0.2, rescue=0.5, expire=0.5, forget=60),
    progress_seconds=0.2,
    narrator_seconds=0.2,
    rates={},
    answer_seconds=20,
)
"""The bot's clocks as fast as a test can bear; no budget, because the sandbox has none unless it is asked.

Clusters are waited for as long as a slow machine may need: a test of a cluster that does not answer shortens that.
"""
PATIENT = Timing(ack=30.0, trigger=30.0)
"""Slack's deadlines, too long to be missed by a machine that is busy; `tests/bench` holds the real ones."""


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
            "channels": [
                {"id": CHANNEL, "name": "migrations", "members": [*people, app.bot_user]},
                {"id": ALARM, "name": "alarm", "members": [ADA, app.bot_user]},
            ],
            "usergroups": [{"id": ADMINS, "handle": "search-admins", "users": [GRACE]}],
            "apps": [app.model_dump()],
        }
    )
    with Sandbox(config, timing=replace(PATIENT)) as running:
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
def second_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of another Milvus Lite server."""
    folder = tmp_path_factory.mktemp("second")
    with start_lite(folder / "target", log=folder / "target.log") as server:
        yield server.wait().uri


@pytest.fixture
def empty(second_server: str) -> str:
    """The URI of a Milvus Lite server that holds nothing when the test begins."""
    client = MilvusClient(second_server)
    try:
        for name in client.list_collections():
            for alias in client.list_aliases(collection_name=name)["aliases"]:
                client.drop_alias(alias)
            client.drop_collection(name)
    finally:
        client.close()
    return second_server


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


class Story:
    """A bot in the workspace, and what people do there, in the words of the tests.

    Attributes:
        settings: What the bot was started with.
        pace: Its clocks; a change counts from the next start.
        bot: The running bot.
    """

    def __init__(
        self, sandbox: Sandbox, settings: Settings, verbs: Verbs, stack: ExitStack
    ) -> None:
        self.sandbox = sandbox
        self.settings = settings
        self.pace = QUICK
        self._verbs = verbs
        self._stack = stack
        self.start()
        self.ledger = stack.enter_context(Ledger.open(settings.database_url))

    def start(self) -> Bot:
        """Start the bot; it is connected when this returns."""
        self._running = self._stack.enter_context(ExitStack())
        self.bot = self._running.enter_context(
            running_bot(self.settings, pace=self.pace, verbs=self._verbs)
        )
        self.sandbox.wait_for_app()
        return self.bot

    def stop(self) -> None:
        """End the bot, as SIGTERM does."""
        self._running.close()

    def restart(self, *, pace: Pace | None = None, **changed: Any) -> Bot:
        """Another bot, with other settings or clocks."""
        self.stop()
        self.settings = self.settings.model_copy(update=changed)
        self.pace = pace or self.pace
        return self.start()

    def open_form(self, user: str, **fields: Any) -> Actor:
        """Open the form and fill it in; fields by their names without `ferry_`."""
        person = self.sandbox.user(user)
        assert person.command("/migrate", channel=CHANNEL)
        person.wait_for_view(CALLBACK_ID)
        for name, value in fields.items():
            before = (person.view or {}).get("hash")
            person.fill(f"ferry_{name}", value)
            if f"ferry_{name}" in RESHAPES:
                self.sandbox.wait_for(
                    lambda seen=before: (person.view or {}).get("hash") != seen, 30, name
                )
        return person

    def request(self, user: str = ADA, **fields: Any) -> dict[str, Any]:
        """Ask for a migration from `old` to `new`; returns the message that waits for approval."""
        known = {m["ts"] for m in self.sandbox.messages(CHANNEL)}
        person = self.open_form(
            user, **({"source": "old", "target": "new", "reason": "Test"} | fields)
        )
        assert person.submit() is None
        return self.sandbox.wait_for(
            lambda: next((m for m in self.sandbox.messages(CHANNEL) if m["ts"] not in known), None),
            60,
            "the plan in the channel",
        )

    def id_of(self, root: dict[str, Any]) -> str:
        """The migration that a message is about."""
        found = re.search(r"M-[0-9A-Z]{7}", words_of(root))
        assert found is not None
        return found[0]

    def status(self, root: dict[str, Any]) -> Status:
        """Where the migration of a message stands."""
        return self.ledger.migration(self.id_of(root)).status

    def wait_for_status(self, root: dict[str, Any], status: Status, timeout: float = 60) -> None:
        """Wait until the migration stands there."""
        self.sandbox.wait_for(lambda: self.status(root) is status, timeout, f"{status}")

    def replies(self, root: dict[str, Any]) -> list[dict[str, Any]]:
        """The replies in the thread of a message."""
        return self.sandbox.thread(CHANNEL, root["ts"])[1:]

    def wait_for_reply(
        self, root: dict[str, Any], containing: str, timeout: float = 60
    ) -> dict[str, Any]:
        """Wait for a reply in the thread that contains the text."""

        def found() -> dict[str, Any] | None:
            return next((m for m in self.replies(root) if containing in words_of(m)), None)

        return self.sandbox.wait_for(found, timeout, f"a reply with {containing!r}")

    def root(self, root: dict[str, Any]) -> dict[str, Any]:
        """The message as it is now."""
        return self.sandbox.thread(CHANNEL, root["ts"])[0]

    def told(self, user: str, containing: str) -> str:
        """Wait until only this person is told something that contains the text; returns all of it."""
        person = self.sandbox.user(user)
        return str(words_of(person.wait_for_ephemeral(CHANNEL, containing, 30)))

    def told_directly(self, user: str, containing: str) -> str:
        """Wait for a direct message that contains the text, whatever else was said there; returns all of it."""
        channel = self.sandbox.direct_channel(user)

        def found() -> str:
            said = (str(words_of(message)) for message in self.sandbox.messages(channel))
            return next((text for text in said if containing in text), "")

        return self.sandbox.wait_for(found, 60, f"a direct message with {containing!r}")

    def events(self, root: dict[str, Any], name: str) -> int:
        """How often something happened to the migration."""
        events = self.ledger.events(migration_id=self.id_of(root))
        return sum(event.name == name for event in events)

    def worker(self, root: dict[str, Any]) -> psutil.Process:
        """The process that works on the migration; waits until it holds it."""
        self.wait_for_status(root, Status.RUNNING)
        owner = self.ledger.migration(self.id_of(root)).lease_owner
        assert owner is not None
        return psutil.Process(int(owner.split(":")[1]))

    def hold(
        self, root: dict[str, Any], when: Callable[[], bool] = lambda: True, timeout: float = 30
    ) -> psutil.Process:
        """Stop the worker where the condition holds and where it does not hold the ledger's lock; the caller resumes it."""
        worker = self.worker(root)

        def held() -> bool:
            worker.suspend()
            if self._lock_is_free() and when():
                return True
            worker.resume()
            return False

        self.sandbox.wait_for(held, timeout, "the worker at that place")
        return worker

    def _lock_is_free(self) -> bool:
        path = self.settings.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            connection.execute("ROLLBACK")
        return True


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verbs]:
    """The engine's verbs; its workers start without importing anything."""
    with Workers(tmp_path_factory.mktemp("workers")) as workers:
        yield ForkedVerbs(workers)


@pytest.fixture
def story(sandbox: Sandbox, world: Settings, forked: Verbs) -> Iterator[Story]:
    """The bot in the workspace, over `old` (filled) and `new` (empty)."""
    with ExitStack() as stack:
        yield Story(sandbox, world, forked, stack)

"""The options of the form: each is offered where it means something, checked at its field, and does what it says."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
from pymilvus.grpc_gen import milvus_pb2

from bot.notes import WORKER_LOST
from bot.runtime import _wired
from bot.sandbox import words_of
from bot.settings import FreezeWindow, Settings
from bot.views import buttons
from bot.views.request_modal import CALLBACK_ID
from engine.ledger import AuditFilter, Ledger
from engine.lifecycle import EventName, Status
from engine.milvus.client import preparing_client
from engine.model import AutoId
from tests.bot.story import ADA, CHANNEL, GRACE, LINUS
from tests.engine.proxy import Proxy

HOUR = 3600


@pytest.fixture
def paper(sandbox: Any, story_of: Callable[[Settings], Any], tmp_path: Path) -> Any:
    """A bot whose clusters nobody serves: what the form says without asking one needs none."""
    with closing(create_server(("127.0.0.1", 0))) as taken:
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
    place = {"organization": "acme", "project": "search"}
    app = sandbox.config.apps[0]
    given = {
        "database_url": f"sqlite:///{tmp_path / 'ferry.db'}",
        "approvals_channel": CHANNEL,
        "slack": {"api_url": sandbox.api_url},
        "clusters": {
            "old": {"uri": uri, "databases": ["default"], **place},
            "new": {"uri": uri, "warning": "Freeze the shop first.", **place},
            "till": {"uri": uri, "organization": "acme", "project": "shop"},
        },
        "roles": {"organization_owners": {"acme": [ADA, GRACE]}},
        "slack_bot_token": app.bot_token,
        "slack_app_token": app.app_token,
    }
    return story_of(Settings.model_validate(given))


def now() -> int:
    """Seconds since the epoch."""
    return int(datetime.now(UTC).timestamp())


def redrawn(story: Any, person: Any, field: str, value: Any) -> None:
    """Choose something that reshapes the form, and wait until it has."""
    before = person.view["hash"]
    person.fill(field, value)
    story.sandbox.wait_for(lambda: person.view["hash"] != before, 30, "another shape")


def let_its_time_come(story: Any, root: dict[str, Any], due: datetime) -> None:
    """As if it had been asked for that time, and approved an hour before; nobody waits for a clock in a test."""
    path = story.settings.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        times = [f"{at:%Y-%m-%d %H:%M:%S.%f}" for at in (due, due - timedelta(hours=1))]
        change = "UPDATE migration SET due_at = ?, cleared_at = ? WHERE id = ?"
        assert connection.execute(change, (*times, story.id_of(root))).rowcount == 1
    assert story.ledger.migration(story.id_of(root)).due_at == due


def test_options_appear_where_they_mean_something_and_typed_text_stays(paper: Any) -> None:
    """Replace shows plainly what it deletes, a time its picker in the person's own zone; what was typed meanwhile stays."""
    ada = paper.open_form(ADA, source="old", target="new", reason="Typed", throttle="5000")
    assert "ferry_start_at" not in str(ada.view["values"])
    assert "Replace deletes" not in words_of(ada.view)
    redrawn(paper, ada, "ferry_on_conflict", "replace")
    assert "Every collection on `new`" in words_of(ada.view)
    redrawn(paper, ada, "ferry_start", "at")
    assert "(Europe/Berlin)" in words_of(ada.view)
    picked = ada.view["values"]["ferry_start_at"]["ferry_start_at"]["selected_date_time"]
    assert picked % HOUR == 0
    assert HOUR / 2 <= picked - now() <= 2 * HOUR
    ada.fill("ferry_start_at", picked + HOUR)
    redrawn(paper, ada, "ferry_start", "now")
    redrawn(paper, ada, "ferry_start", "at")
    values = str(ada.view["values"])
    assert all(typed in values for typed in ("'Typed'", "'5000'", "'replace'"))
    assert str(picked + HOUR) in values


def test_a_time_that_cannot_be_is_refused_at_its_field(paper: Any) -> None:
    """The past, a freeze, a limit that is none: each is said where it was typed."""
    midnight = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    window = FreezeWindow(
        start=(midnight + timedelta(hours=2)).isoformat(),
        end=(midnight + timedelta(hours=5)).isoformat(),
        reason="inventory",
    )
    policy = {"freeze_windows": (window,)}
    paper.restart(policy=paper.settings.policy.model_copy(update=policy))
    given = {"source": "old", "target": "new", "reason": "Test", "start": "at"}
    ada = paper.open_form(ADA, **given, throttle="fast")
    wrong = {
        now() - 60: "That is in the past",
        now() + 3 * HOUR: "Nothing starts on this target then",
    }
    for at, said in wrong.items():
        ada.fill("ferry_start_at", at)
        errors = ada.submit()
        assert said in errors["ferry_start_at"]
        assert "(Europe/Berlin)" in errors["ferry_start_at"]
        assert "“fast” is not a throttle" in errors["ferry_throttle"]
    assert ": inventory." in _refused_at(ada, now() + 3 * HOUR)
    ada.fill(
        "ferry_start_at", now() + 72 * HOUR
    )  # it only has to be approved before the request expires
    assert "ferry_start_at" not in ada.submit()
    assert paper.ledger.migrations() == ()


def _refused_at(ada: Any, at: int) -> str:
    ada.fill("ferry_start_at", at)
    return str(ada.submit()["ferry_start_at"])


def test_clusters_stand_under_organization_and_project(paper: Any) -> None:
    """Where several projects have clusters, the list says which belongs where, and so does the field."""
    ada = paper.open_form(ADA, source="old")
    offered = ada.suggest("ferry_target", "till")
    assert [group["label"]["text"] for group in offered["option_groups"]] == ["acme / shop"]
    redrawn(paper, ada, "ferry_target", "till")
    assert "Organization acme, project search." in words_of(ada.view)
    assert "Organization acme, project shop." in words_of(ada.view)


def test_source_and_target_behind_the_command_fill_the_form_in(paper: Any) -> None:
    """Clusters, or cluster/database, are chosen when the form opens; the target's warning stands there, and what is typed stays."""
    ada = paper.sandbox.user(ADA)
    for typed, names in {
        "old/default new/shop": ("default", "shop"),
        "old new": ("default",),
    }.items():
        assert ada.command("/migrate", typed, channel=CHANNEL)
        ada.wait_for_view(CALLBACK_ID)
        ada.fill("ferry_reason", "Typed at once")
        chosen = [f"'{name}'" for name in ("old", "new", *names, "Typed at once")]
        paper.sandbox.wait_for(
            lambda c=chosen: all(n in str(ada.view["values"]) for n in c), 30, "what was named"
        )
        assert "Freeze the shop first." in words_of(ada.view)
        ada.close()


def test_unknown_names_behind_the_command_are_answered_with_what_there_is(paper: Any) -> None:
    """A cluster that is not configured is said to be none, with those that are; so is a database that may not be chosen."""
    ada = paper.sandbox.user(ADA)
    for typed, said in (
        ("old nowhere", "There is no cluster `nowhere`. The clusters are `new`, `old`, `till`;"),
        ("old", "It takes a source and a target: *SOURCE TARGET*."),
        ("old/nope new", "Of `old` these databases may be chosen: `default`. `nope` is none"),
        ("here there", "`here there` is not something"),
        ("JOBS new", "migration"),
    ):
        assert ada.command("/migrate", typed, channel=CHANNEL)
        ada.wait_for_ephemeral(CHANNEL, said)
    assert ada.view is None


def test_it_waits_for_its_time_and_starts_once(story: Any, forked: Any) -> None:
    """Approved, it waits and says so; its time passes while the bot is down: two bots start it once."""
    due = now() + HOUR
    root = story.request(start="at", start_at=due, check_source=["all"], ticket="OPS-7")
    said = words_of(root)
    assert f"<!date^{due}^" in said
    assert "or when it is approved if that is later" in said
    assert "OPS-7: Test" in said
    assert "all of it is read again" in said
    assert story.ledger.migration(story.id_of(root)).request.check_source
    story.sandbox.user(GRACE).click(root, buttons.APPROVE)
    story.wait_for_reply(root, f"It starts by itself <!date^{due}^")
    story.bot.workers.round()
    assert story.bot.workers.running() == 0
    assert story.status(root) is Status.QUEUED
    story.stop()
    late = datetime.now(UTC) - timedelta(minutes=5)
    let_its_time_come(story, root, late)
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger.open(story.settings.database_url))
        threads = stack.enter_context(ThreadPoolExecutor())
        other, sources = _wired(story.settings, ledger, story.pace, forked, threads)
        stack.callback(sources.close)
        stack.callback(other.scheduler.close)
        other.scheduler.start()
        story.start()
        story.wait_for_reply(root, f"It was to start <!date^{int(late.timestamp())}^")
        story.wait_for_status(root, Status.SUCCESSFUL)
    assert (story.events(root, EventName.CLAIM), story.events(root, WORKER_LOST)) == (1, 0)


def test_what_waits_for_its_time_is_held_by_a_freeze_and_can_be_canceled(story: Any) -> None:
    """A freeze at its time holds it and says so; Cancel ends it while it waits."""
    root = story.request(start="at", start_at=now() + HOUR)
    story.sandbox.user(GRACE).click(root, buttons.APPROVE)
    story.wait_for_reply(root, "It starts by itself")
    assert story.sandbox.user(ADA).command("/migrate", "freeze audit", channel=CHANNEL)
    story.sandbox.wait_for(story.bot.service.frozen, 30, "the freeze")
    assert story.events(root, "held") == 0
    let_its_time_come(story, root, datetime.now(UTC))
    story.wait_for_reply(root, "It does not start now")
    assert story.status(root) is Status.QUEUED
    story.sandbox.user(ADA).click(story.root(root), buttons.CANCEL)
    story.wait_for_reply(root, "It had not started; nothing was written")
    story.wait_for_status(root, Status.CANCELED)


def test_a_throttle_of_the_form_holds_until_it_is_lifted(story: Any) -> None:
    """It is shown with the request, slows the copy for a reason that the progress names, and is lifted by typing."""
    root = story.request(throttle="1 entities/s")
    assert "at most 1 entities/s" in words_of(root)
    story.sandbox.user(GRACE).click(root, buttons.APPROVE)
    slow = "Throttled by the operator to 1 entities/s"
    story.wait_for_reply(root, slow)
    migration = story.id_of(root)
    linus, grace = story.sandbox.user(LINUS), story.sandbox.user(GRACE)
    assert linus.command("/migrate", f"throttle {migration} off", channel=CHANNEL)
    story.told(LINUS, "You may not do this")
    assert grace.command("/migrate", f"throttle {migration} 2 entities/s", channel=CHANNEL)
    story.told(GRACE, "copies at most 2 entities/s")
    story.wait_for_reply(root, f"<@{GRACE}> (Project Admin of acme/search) throttled it")
    story.wait_for_reply(root, "Throttled by the operator to 2 entities/s")
    assert grace.command("/migrate", f"throttle {migration} off", channel=CHANNEL)
    story.wait_for_reply(root, "lifted the throttle; it copies as fast as it can")
    story.wait_for_status(root, Status.SUCCESSFUL)
    rows = story.ledger.audit(AuditFilter(migration_id=migration, act="throttled"))
    assert [row.actor for row in rows] == [GRACE, GRACE]


def test_a_database_that_is_not_there_is_said_in_the_form(story: Any) -> None:
    """What was named behind the command is held against the live source when the form stands."""
    ada = story.sandbox.user(ADA)
    assert ada.command("/migrate", "old/nope new", channel=CHANNEL)
    ada.wait_for_view(CALLBACK_ID)
    missing = "There is no database “nope” on old"
    story.sandbox.wait_for(lambda: missing in words_of(ada.view), 30, "what is wrong")
    assert "those that are there: default" in words_of(ada.view)


def test_a_policy_for_keys_is_asked_for_where_it_matters(
    story: Any, world: Settings, empty: str, lite_server: Any
) -> None:
    """Where the source makes keys that the target cannot go on making, the form asks, and only while they are chosen."""
    own = lite_server("own").uri
    client = preparing_client(own)
    try:
        client.create_collection("automatic", dimension=4, auto_id=True)
        client.create_collection("plain", dimension=4)
    finally:
        client.close()
    older = milvus_pb2.GetVersionResponse(version="v2.3.5").SerializeToString()
    with Proxy(empty) as server:
        server.answer("GetVersion", b"", older)
        clusters = {"old": own, "new": server.uri}
        changed = {n: world.clusters[n].model_copy(update={"uri": u}) for n, u in clusters.items()}
        story.restart(clusters=changed)
        ada = story.open_form(
            ADA, source="old", target="new", reason="Typed", collections=["plain"]
        )
        redrawn(story, ada, "ferry_collections", ["automatic"])
        story.sandbox.wait_for(lambda: "ferry_auto_id" in str(ada.view["values"]), 30, "the choice")
        redrawn(story, ada, "ferry_collections", ["plain"])
        assert "ferry_auto_id" not in str(ada.view["values"])
        redrawn(story, ada, "ferry_collections", ["automatic"])
        ada.fill("ferry_auto_id", "new")
        assert "'Typed'" in str(ada.view["values"])
        assert ada.submit() is None
        (made,) = story.sandbox.wait_for(story.ledger.migrations, 30, "the request")
        assert made.request.auto_id is AutoId.NEW
        # A plan that loses its target asks for it again and again: it is made before the proxy goes.
        story.sandbox.wait_for(
            lambda: story.ledger.migration(made.id).status is not Status.PLANNING, 60, "the plan"
        )

"""`/metrics`: what the ledger says, what was counted, and what a Prometheus gets over HTTP."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState

from bot.ledger import BotLedger, Kind
from bot.meter import Meter, Watch, kind_of
from bot.metrics import Exposition, Gauges
from bot.runtime import Bot, running_bot
from bot.sandbox import Sandbox, words_of
from bot.settings import Settings
from bot.web import EVENTS_PATH
from engine.ledger import Ledger, new_owner, utc_now
from engine.lifecycle import EventName, Status
from engine.model import ChunkRange, Migration, Receipt

ADA, CHANNEL = "U0ADA", "C0MIGRATE"
LATER = timedelta(seconds=90)

Told: TypeAlias = Mapping[tuple[str, ...], float]


@pytest.fixture
def ledger_url(on_each_database: str) -> str:
    """What the ledger is asked is asked on both databases."""
    return on_each_database


def read(text: str) -> Told:
    """The samples of an exposition: (name, label values …) to value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def told(ledger: Ledger, records: BotLedger, meter: Meter | None = None) -> Told:
    """What `/metrics` says of a ledger, a while later."""
    gauges = Gauges(
        ledger,
        records,
        workers=lambda: 1,
        rounds=lambda: {"start": 0.5},
        clock=lambda: utc_now() + LATER,
    )
    text, _ = Exposition((meter or Meter()).registry, gauges).told("")
    return read(text.decode())


def copy_some(ledger: Ledger, migration: Migration) -> None:
    """Let the migration run and copy four of its ten entities in two seconds."""
    with ledger.transaction() as tx:
        tx.apply(migration.id, EventName.APPROVE, actor=ADA)
    lease = ledger.claim(migration.id, new_owner())
    place = {"collection": "articles", "partition": "_default", "lower": None, "upper": None}
    ranges = [ChunkRange(ordinal=n, entities=size, **place) for n, size in enumerate((4, 6))]
    ledger.store_chunks(lease, "articles", "_default", ranges)
    first = next(iter(ledger.chunks(migration.id, "articles")))
    ledger.record_receipt(lease, first.id, Receipt(entities=4, bytes=400, digest="0" * 32))
    ledger.set_collection(lease, "articles", copy_seconds=2.0)


def test_the_ledger_is_told_as_it_stands(
    ledger: Ledger, records: BotLedger, awaiting: Callable[..., Migration]
) -> None:
    """Migrations by status, what runs and how fast, and what is owed to Slack since when; nothing of it is remembered."""
    empty = told(ledger, records)
    assert empty["ferry_ledger_up",] == 1
    assert {status.value: empty["ferry_migrations", status.value] for status in Status} == (
        dict.fromkeys(Status, 0)
    )
    assert (empty["ferry_outbox_messages",], empty["ferry_outbox_oldest_age_seconds",]) == (0, 0)
    waits, runs = awaiting(), awaiting()
    copy_some(ledger, runs)
    records.collect(0, 2, [(waits.id, 1, Kind.ROOT), (runs.id, 2, Kind.ROOT)])
    full = told(ledger, records)
    assert full["ferry_migrations", "awaiting_approval"] == 1
    assert full["ferry_migrations", "running"] == 1
    assert full["ferry_running_entities",] == 10
    assert full["ferry_running_entities_copied",] == 4
    assert full["ferry_running_entities_per_second",] == 2
    assert full["ferry_outbox_messages",] == 2
    assert full["ferry_outbox_oldest_age_seconds",] >= LATER.total_seconds()
    assert full["ferry_worker_processes",] == 1
    assert full["ferry_scheduler_round_age_seconds", "start"] == 0.5


def test_a_copy_that_stands_still_has_no_rate(
    ledger: Ledger, records: BotLedger, awaiting: Callable[..., Migration]
) -> None:
    """Where nothing was copied for a minute, the rate of before is not summed up as that of now."""
    copy_some(ledger, awaiting())
    ledger._clock = lambda: utc_now() + LATER
    still = told(ledger, records)
    assert still["ferry_running_entities_copied",] == 4
    assert still["ferry_running_entities_per_second",] == 0


def test_a_ledger_that_is_gone_is_said(tmp_path: Path) -> None:
    """Without its ledger the bot still tells the rest, and that the ledger does not answer."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    with Ledger.open(f"sqlite:///{folder / 'ferry.db'}") as ledger:
        records = BotLedger(ledger)
        ledger.engine.dispose()
        folder.rename(tmp_path / "moved")
        left = told(ledger, records)
    assert left["ferry_ledger_up",] == 0
    assert left["ferry_worker_processes",] == 1
    assert ("ferry_outbox_messages",) not in left


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (HttpResponse(status_code=200, headers={}, body={"ok": True}), "ok"),
        (HttpResponse(status_code=200, headers={}, body={"ok": False}), "refused"),
        (HttpResponse(status_code=429, headers={}), "throttled"),
        (HttpResponse(status_code=503, headers={}), "unanswered"),
        (None, "unanswered"),
    ],
)
def test_each_answer_of_slack_is_sorted(response: HttpResponse | None, outcome: str) -> None:
    """A call that is refused, throttled or not answered is told from one that is, and is not repeated for it."""
    meter = Meter()
    request = HttpRequest(
        method="POST", url="https://slack.com/api/chat.update", headers={}, body_params={}
    )
    assert not Watch(meter).can_retry(state=RetryState(), request=request, response=response)
    labels = {"method": "chat.update", "outcome": outcome}
    assert meter.registry.get_sample_value("ferry_slack_calls_total", labels) == 1


def test_what_nobody_foresaw_makes_no_series_of_its_own() -> None:
    """The label is one of a few words, whatever a payload says of itself."""
    assert kind_of({"command": "/migrate", "text": "jobs"}) == "command"
    assert kind_of({"type": "block_actions"}) == "block_actions"
    assert {kind_of({"type": "invented"}), kind_of({})} == {"other"}


@pytest.fixture(params=["socket", "http"])
def settings(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Settings:
    """Settings of a bot with a web server, over either transport."""
    app = sandbox.config.apps[0]
    given: dict[str, Any] = {
        "database_url": f"sqlite:///{tmp_path}/metrics.db",
        "approvals_channel": CHANNEL,
        "slack": {"api_url": sandbox.api_url, "transport": request.param},
        "web": {"port": 0},
        "slack_bot_token": app.bot_token,
        "slack_app_token": app.app_token,
        "slack_signing_secret": app.signing_secret,
    }
    return Settings.model_validate(given)


def scrape(bot: Bot) -> Told:
    """What a Prometheus gets."""
    assert bot.web is not None
    answer = httpx.get(bot.web.url + "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return read(answer.text)


def test_prometheus_reads_what_happened(sandbox: Sandbox, settings: Settings) -> None:
    """Over HTTP: what people did, how soon it was acknowledged, what Slack was asked and refused, and that the rounds come."""
    ada, over_http = sandbox.user(ADA), settings.slack.transport == "http"
    with running_bot(settings) as bot:
        assert bot.web is not None
        if over_http:
            sandbox.deliver_to(bot.web.url + EVENTS_PATH)
            assert httpx.post(bot.web.url + EVENTS_PATH, json={}).status_code == 401
        sandbox.wait_for(lambda: over_http or sandbox.connections() == 1, what="the way to the bot")
        sandbox.fail_next("views.publish", "ratelimited", retry_after=0)
        assert ada.command("/migrate", "help", channel=CHANNEL)
        ada.open_home()
        sandbox.wait_for(lambda: ada.home and "Jobs" in words_of(ada.home), what="the Home tab")
        answered = ("ferry_interactions_total", "event_callback", "answered")
        sandbox.wait_for(lambda: scrape(bot).get(answered) == 1, what="the end of the listener")
        now = scrape(bot)
        rounds = bot.scheduler.round_ages()
    assert now["ferry_interactions_total", "command", "answered"] == 1
    assert now.get(("ferry_interactions_total", "other", "unsigned"), 0) == int(over_http)
    for kind in ("command", "event_callback"):
        assert now["ferry_acknowledgement_seconds_count", kind] == 1
        assert 0 < now["ferry_acknowledgement_seconds_sum", kind] < 30
    assert now["ferry_slack_calls_total", "views.publish", "throttled"] == 1
    assert now["ferry_slack_calls_total", "views.publish", "ok"] == 1
    assert now["ferry_worker_processes",] == 0
    assert set(rounds) == {"plan", "start", "rescue", "expire", "freeze", "forget"}
    assert all(0 <= now["ferry_scheduler_round_age_seconds", name] < 60 for name in rounds)
    assert [key for key in now if key[0] == "ferry_build_info"]
    assert now["process_start_time_seconds",] > 0

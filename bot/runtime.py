"""The bot, wired and running: ledger, service, narrator, scheduler, the socket to Slack or the server for it; and its orderly end.

    serve(settings)                     until SIGTERM or SIGINT
    with running_bot(settings) as bot:  in this process, for tests and the demo

Nothing is decided here. Whatever is killed is picked up from the ledger by the next start.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import FrameType
from typing import Final, NamedTuple

import structlog
from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler

from bot import app as bolt
from bot import doctor, logs
from bot.budget import RATES, Budget, Rate
from bot.cards import Cards
from bot.courier import Courier
from bot.directory import Directory
from bot.frozen import FrozenRequests
from bot.gate import Gate, Soon
from bot.jobs import Jobs
from bot.lanes import Lanes
from bot.ledger import BotLedger
from bot.listeners.desk import Desk
from bot.meter import Meter
from bot.metrics import Exposition, Gauges
from bot.narrator import Narrator
from bot.outbox import Room
from bot.planning import Planner
from bot.scheduler import TICKS, Scheduler, Ticks
from bot.service import Service
from bot.settings import Settings
from bot.settings import Web as WebSection
from bot.slack_web import web_client
from bot.socket import Socket
from bot.sources import ANSWER_SECONDS, Sources
from bot.verbs import EngineVerbs, Verbs
from bot.waiting import Holds
from bot.web import SlackRequests, Web
from bot.workers import Workers
from engine.errors import ConfigurationInvalid, FerryError
from engine.ledger import Ledger

_log = structlog.get_logger(__name__)


class Pace(NamedTuple):
    """How fast the bot's clocks run; tests and the demo change them.

    Attributes:
        ticks: The scheduler's rounds.
        progress_seconds: The shortest time between two edits of a progress message.
        narrator_seconds: The longest time until the narrator looks by itself.
        rates: The budget for Slack.
        answer_seconds: How long a cluster is waited for while Slack waits.
    """

    ticks: Ticks = TICKS
    progress_seconds: float = 4.0
    narrator_seconds: float = 1.0
    rates: Mapping[str, Rate] = RATES
    answer_seconds: float = ANSWER_SECONDS


PACE: Final = Pace()


class Bot(NamedTuple):
    """The parts of a running bot, for whoever runs it in their own process."""

    settings: Settings
    ledger: Ledger
    records: BotLedger
    service: Service
    narrator: Narrator
    scheduler: Scheduler
    workers: Workers
    app: App
    meter: Meter
    web: Web | None = None


def serve(settings: Settings) -> None:
    """Run the bot until SIGTERM or SIGINT; workers hand back what they do, so that the next start goes on.

    Raises:
        ConfigurationInvalid: A token or the channel is missing.
    """
    logs.configure()
    ended = threading.Event()

    def end(number: int, _frame: FrameType | None) -> None:
        _log.info("stopping", signal=signal.Signals(number).name)
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with running_bot(settings):
        _log.info("serving", channel=settings.approvals_channel, clusters=sorted(settings.clusters))
        ended.wait()


@contextmanager
def running_bot(
    settings: Settings, *, pace: Pace = PACE, verbs: Verbs | None = None
) -> Iterator[Bot]:
    """A bot that is connected when the block begins and gone when it ends.

    Raises:
        ConfigurationInvalid: A token or the channel is missing.
        ServiceUnavailable: The ledger does not answer.
    """
    _require(settings)
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger.open(settings.database_url))
        lanes = Lanes()
        bot, sources = _wired(settings, ledger, pace, verbs or EngineVerbs(), lanes)
        stack.callback(sources.close)
        socket = _socket(settings, bot) if settings.slack.transport == "socket" else None
        web = _web(settings, bot, socket)
        if web is not None:
            web.bind()
        stack.callback(bot.narrator.close)
        bot.narrator.start()
        stack.callback(bot.scheduler.close)
        bot.scheduler.start()
        # The SDK behind the verbs takes two seconds to import: too long for the first list of collections.
        bot.scheduler.soon(_load_verbs)
        stack.callback(lanes.shutdown)
        if socket is not None:
            stack.callback(socket.close)
            socket.open()
        if web is not None:
            stack.callback(web.close)
            web.open()
        yield bot._replace(web=web)


def _socket(settings: Settings, bot: Bot) -> Socket:
    token = settings.slack_app_token.get_secret_value()
    client = web_client(settings, token="", retries=False, meter=bot.meter)
    return Socket(bot.app, token, client, bot.meter)


def _web(settings: Settings, bot: Bot, socket: Socket | None) -> Web | None:
    """The bot's web server, when it is configured or Slack comes over HTTP."""
    if settings.web is None and socket is not None:
        return None
    where = settings.web or WebSection()
    alive = {"narrator": bot.narrator.is_alive, "scheduler": bot.scheduler.is_alive}
    ready = {"ledger": lambda: _answers(bot.ledger)}
    requests = None
    if socket is None:
        secret = settings.slack_signing_secret.get_secret_value()
        requests = SlackRequests(bot.app, secret, bot.meter)
    else:
        ready["slack"] = socket.is_connected
    gauges = Gauges(
        bot.ledger, bot.records, workers=bot.workers.running, rounds=bot.scheduler.round_ages
    )
    return Web(
        where.host,
        where.port,
        alive=alive,
        ready=ready,
        metrics=Exposition(bot.meter.registry, gauges),
        requests=requests,
    )


def _answers(ledger: Ledger) -> bool:
    try:
        ledger.migrations(limit=1)
    except FerryError as error:
        _log.warning("ledger_not_ready", error=str(error))
        return False
    return True


def _load_verbs() -> None:
    import_module("engine.verbs")


def _wired(
    settings: Settings, ledger: Ledger, pace: Pace, verbs: Verbs, lanes: Lanes
) -> tuple[Bot, Sources]:
    meter = Meter()
    records = BotLedger(ledger)
    directory = _directory(settings, meter)
    cards = Cards(ledger, records, settings, directory, verbs)
    budget = Budget(pace.rates, spent=True)
    courier = Courier(web_client(settings, retries=False, meter=meter), budget)
    room = Room(settings.approvals_channel, ledger, records, cards, courier)
    narrator = _narrator(room, pace)

    def changed() -> None:
        narrator.wake()
        scheduler.wake()

    def soon(work: Callable[[], None]) -> None:
        scheduler.soon(work)

    service = Service(
        settings=settings,
        ledger=ledger,
        records=records,
        directory=directory,
        cards=cards,
        verbs=verbs,
        changed=changed,
    )
    planner = Planner(ledger, verbs, service.secrets, changed)
    holds = Holds(ledger, records, settings)
    gate = _gate(ledger, records, holds, planner, soon, changed)
    workers = Workers(
        ledger=ledger,
        gate=gate,
        verbs=verbs,
        secrets=service.secrets,
        database_url=settings.database_url,
        limit=settings.workers,
        changed=changed,
    )
    scheduler = Scheduler(
        ledger=ledger,
        records=records,
        settings=settings,
        planner=planner,
        workers=workers,
        note_freezes=FrozenRequests(ledger, records, settings, changed).note,
        changed=changed,
        ticks=pace.ticks,
    )
    sources = Sources(settings, verbs, answer_seconds=pace.answer_seconds)
    jobs = Jobs(settings, ledger, records, directory, cards)
    examine, planned = _doctor(settings, verbs), scheduler.when_planned
    desk = Desk(settings, service, cards, sources, scheduler.soon, jobs, examine, planned)
    app = _app(settings, meter, records, desk, lanes)
    bot = Bot(settings, ledger, records, service, narrator, scheduler, workers, app, meter)
    return bot, sources


def _app(settings: Settings, meter: Meter, records: BotLedger, desk: Desk, lanes: Lanes) -> App:
    bot_token = settings.slack_bot_token.get_secret_value()
    client = _prompt_client(settings, meter, token="")
    return bolt.build(client, bot_token, records, desk, lanes, meter)


def _doctor(settings: Settings, verbs: Verbs) -> Callable[[], Iterator[doctor.Finding]]:
    return lambda: doctor.findings(settings, verbs)


def _gate(
    ledger: Ledger,
    records: BotLedger,
    holds: Holds,
    planner: Planner,
    soon: Soon,
    changed: Callable[[], None],
) -> Gate:
    return Gate(
        ledger=ledger,
        records=records,
        holds=holds,
        recheck=planner.recheck,
        soon=soon,
        changed=changed,
    )


def _directory(settings: Settings, meter: Meter) -> Directory:
    return Directory(_prompt_client(settings, meter), settings.roles)


def _prompt_client(settings: Settings, meter: Meter, token: str | None = None) -> WebClient:
    """Slack for whom somebody waits: a click is answered from what is known, or directly, not after Retry-After, half a minute."""
    client = web_client(settings, token=token, retries=False, meter=meter)
    client.retry_handlers.append(ConnectionErrorRetryHandler())
    return client


def _narrator(room: Room, pace: Pace) -> Narrator:
    return Narrator(
        room, progress_seconds=pace.progress_seconds, tick_seconds=pace.narrator_seconds
    )


def _require(settings: Settings) -> None:
    needed = {"SLACK_BOT_TOKEN (xoxb-…)": settings.slack_bot_token.get_secret_value()}
    if settings.slack.transport == "socket":
        needed["SLACK_APP_TOKEN (xapp-…)"] = settings.slack_app_token.get_secret_value()
    else:
        needed["SLACK_SIGNING_SECRET"] = settings.slack_signing_secret.get_secret_value()
    needed["approvals_channel (in ferry.yml)"] = settings.approvals_channel
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise ConfigurationInvalid(
            f"Not set: {', '.join(missing)}.",
            state="Nothing was started.",
            next_step="Set it, then start again; `ferry doctor` checks everything.",
        )

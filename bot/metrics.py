"""`/metrics`: what the ledger and the bot's threads say at the moment somebody asks, beside what the meter has counted.

It keeps nothing and changes nothing. A ledger that does not answer leaves out what it knows and says so (`ferry_ledger_up` 0).
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

import structlog
from prometheus_client import CollectorRegistry, Info, Metric, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bot.ledger import BotLedger
from engine.errors import FerryError
from engine.ledger import Ledger, utc_now
from engine.lifecycle import Status
from engine.pace import entities_per_second

_log = structlog.get_logger(__name__)


class Gauges(Collector):
    """Reads what stands now; each time somebody asks.

    Args:
        ledger: Migrations.
        records: Messages owed to Slack.
        workers: How many processes migrate.
        rounds: Seconds since each of the scheduler's rounds last went through.
        clock: Aware UTC.
    """

    def __init__(
        self,
        ledger: Ledger,
        records: BotLedger,
        *,
        workers: Callable[[], int],
        rounds: Callable[[], Mapping[str, float]],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._workers = workers
        self._rounds = rounds
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """All gauges."""
        known: list[Metric] = []
        try:
            known += [self._migrations(), *self._copies(), *self._outbox()]
        except FerryError as error:
            _log.warning("metrics_without_ledger", error=str(error))
            known.clear()
        yield _gauge("ferry_ledger_up", "Whether the ledger answers.", float(bool(known)))
        yield from known
        yield _gauge("ferry_worker_processes", "Processes that migrate.", self._workers())
        yield _labelled(
            "ferry_scheduler_round_age_seconds",
            "Since each of the scheduler's rounds last went through.",
            "round",
            self._rounds().items(),
        )

    def _migrations(self) -> Metric:
        counts = self._ledger.status_counts()
        return _labelled(
            "ferry_migrations",
            "Migrations in the ledger, by status.",
            "status",
            ((status.value, counts.get(status, 0)) for status in Status),
        )

    def _copies(self) -> Iterator[Metric]:
        """Sums over the migrations that run: one by one they are looked at in Slack."""
        running = self._ledger.standing(Status.RUNNING)
        found = [self._ledger.totals(each.id) for each in running]
        yield _gauge(
            "ferry_running_entities",
            "Entities that running migrations have to copy.",
            sum(each.entities for each in found),
        )
        yield _gauge(
            "ferry_running_entities_copied",
            "Entities that running migrations have copied.",
            sum(each.copied for each in found),
        )
        yield _gauge(
            "ferry_running_entities_per_second",
            "Entities that running migrations copy a second, over the last minute.",
            sum(entities_per_second(each) or 0.0 for each in found),
        )

    def _outbox(self) -> Iterator[Metric]:
        waiting = self._records.waiting()
        now = self._clock()
        yield _gauge("ferry_outbox_messages", "Messages owed to Slack.", waiting.messages)
        yield _gauge(
            "ferry_outbox_oldest_age_seconds",
            "How long the oldest message that is owed to Slack has waited; 0 without any.",
            max(0.0, (now - (waiting.oldest or now)).total_seconds()),
        )


class Exposition:
    """Everything in a registry, as Prometheus reads it.

    Args:
        registry: The meter's; gauges, build and process are added to it.
        gauges: What is read at each time.
    """

    def __init__(self, registry: CollectorRegistry, gauges: Gauges) -> None:
        self._registry = registry
        registry.register(gauges)
        ProcessCollector(registry=registry)
        build = Info("ferry_build", "The version of Ferry and of Python.", registry=registry)
        build.info({"version": _version(), "python": platform.python_version()})

    def told(self, accept: str) -> tuple[bytes, str]:
        """The text, and its content type, in the format that the `Accept` header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


def _version() -> str:
    try:
        return version("ferry")
    except PackageNotFoundError:
        return "not installed"


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for of, value in values:
        family.add_metric([of], value)
    return family

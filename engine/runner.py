"""Drives one leased migration to its end and records how it ended.

What happens in between is `phases.py`; how the process around it starts and ends is the worker's.
"""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import structlog

from engine import crashpoints
from engine.errors import (
    CancelRequested,
    FerryError,
    NeedsPerson,
    PauseRequested,
    ShutdownRequested,
)
from engine.heartbeat import Heartbeat
from engine.ledger import CALLS_CUT, LEASE_SECONDS, Ledger
from engine.lifecycle import EventName
from engine.loads import SOURCE, TARGET, Loads
from engine.milvus.connection import connect
from engine.model import CollectionReport, Details, ErrorText, Lease, Plan, Progress, Secrets
from engine.phases import Phases
from engine.ranges import CHUNK_BYTES

log = structlog.get_logger(__name__)


def drive(
    ledger: Ledger,
    lease: Lease,
    secrets: Secrets,
    stop: threading.Event,
    on_progress: Callable[[Progress], None] | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    lease_seconds: float = LEASE_SECONDS,
) -> None:
    """Runs a claimed migration to its end and records how it ended.

    Args:
        ledger: Where everything is recorded.
        lease: From `ledger.claim`.
        secrets: The clusters' tokens.
        stop: Set it to hand the migration back to the queue.
        on_progress: Called twice a second.
        chunk_bytes: Size of the chunks that are planned now; those planned before keep theirs.
        lease_seconds: How long the lease lasts from each renewal.

    Raises:
        LeaseLost: Another worker took over; it records the end.
    """
    plan = ledger.migration(lease.migration_id).plan
    if plan is None:
        raise NeedsPerson(f"{lease.migration_id} has no plan.", next_step="Request it again.")
    crashpoints.reached("claimed")
    with Heartbeat(ledger, lease, stop, on_progress, lease_seconds) as heartbeat:
        ledger = heartbeat.ledger
        attempt = _ended(
            heartbeat, lambda: _attempt(ledger, lease, plan, secrets, heartbeat, chunk_bytes)
        )
        crashpoints.reached("finishing")
        details: Details | None = {CALLS_CUT: True} if heartbeat.has_cut else None
        try:
            told = _told(ledger, lease, attempt)
            ledger.finish(lease, attempt.event, details, told, attempt.verdicts)
        except CancelRequested:
            ledger.finish(lease, EventName.CANCELED, details)
        crashpoints.reached("finished")


class _End(NamedTuple):
    """How an attempt ends; `verdicts` are a new verification's."""

    event: EventName
    error: ErrorText | None = None
    verdicts: Mapping[str, CollectionReport] = MappingProxyType({})


def _told(ledger: Ledger, lease: Lease, end: _End) -> ErrorText | None:
    """Of a new verification that was not done: that the migration stands as it had ended, and what to do about that."""
    asked = ledger.asked_of(lease.migration_id)
    if end.error is None or end.event is not EventName.FAIL or asked is not EventName.VERIFY:
        return end.error
    state = f"Nothing was written; the migration stands as it had ended. {end.error.state}"
    update = {"state": state.strip(), "next_step": "Verify it again once that is mended."}
    return end.error.model_copy(update=update)


def _ended(heartbeat: Heartbeat, work: Callable[[], _End]) -> _End:
    """Turns whatever ends the work into an end for the ledger; LeaseLost alone passes, for it is not ours to record."""
    try:
        try:
            return work()
        except FerryError:
            heartbeat.check_now()  # a wait that a cancel cut short is no failure
            raise
    except CancelRequested:
        return _End(EventName.CANCELED)
    except (PauseRequested, ShutdownRequested):
        return _End(EventName.RELEASE)
    except FerryError as failure:
        return _End(EventName.FAIL, ErrorText(**failure.parts))
    except Exception as failure:  # the outermost loop: the ledger must say how it ended
        log.exception("migration_failed")
        return _End(EventName.FAIL, unexpected_text(failure))


def unexpected_text(failure: Exception) -> ErrorText:
    """A fault of Ferry's own, told without hiding it."""
    return ErrorText(
        code="E-UNEXPECTED",
        message=f"Ferry itself failed: {type(failure).__name__}: {failure}.",
        state="Every chunk with a receipt is on the target; the source is as it was.",
        next_step="Resume it; if it fails again, send us the worker's log.",
    )


def _attempt(
    ledger: Ledger,
    lease: Lease,
    plan: Plan,
    secrets: Secrets,
    heartbeat: Heartbeat,
    chunk_bytes: int,
) -> _End:
    """Opens both sides and goes through the phases; each side that was opened is put back, also when the other cannot be opened."""
    opened = partial(
        connect,
        stop=heartbeat.halt,
        permit=heartbeat.permit,
        patient=True,
        cutting=heartbeat.cutting,
    )
    flow, wish = heartbeat.flow, plan.request

    def with_both(source: Loads, target: Loads) -> _End:
        def cut() -> None:
            source.cluster.cut()
            target.cluster.cut()

        phases = Phases(ledger, lease, plan, source, target, heartbeat, chunk_bytes)
        with heartbeat.cutting(cut):
            return _End(phases.run(), verdicts=phases.verdicts)

    def with_source(source: Loads) -> _End:
        told = heartbeat.target_waits
        with opened(wish.target, secrets.target, told=told, pace=flow.target) as cluster:
            cluster.waits = flow.waits
            target = Loads(cluster, ledger, lease, TARGET)
            end = _ended(heartbeat, partial(with_both, source, target))
            return _put_back(heartbeat, target, end)

    told = heartbeat.source_waits
    with opened(wish.source, secrets.source, told=told, pace=flow.source) as cluster:
        cluster.waits = flow.waits
        source = Loads(cluster, ledger, lease, SOURCE)
        end = _ended(heartbeat, partial(with_source, source))
        return _put_back(heartbeat, source, end)


def _put_back(heartbeat: Heartbeat, loads: Loads, end: _End) -> _End:
    """Leaves a side as it was found; where that fails, the migration says so and can be resumed."""
    loads.cluster.mend()
    try:
        with heartbeat.cutting(loads.cluster.cut) as answered:
            loads.put_back(answered)
    except FerryError as failure:
        proved = end.event is EventName.SUCCEED
        copy = "Everything is copied and proved. " if proved else ""
        again = ": nothing is copied again" if proved else ""
        told = ErrorText(**failure.parts).model_copy(
            update={
                "state": f"{copy}Collections that were loaded only to be read are still loaded there.",
                "next_step": f"Release them there, or resume once it answers{again}.",
            }
        )
        return _End(EventName.FAIL, told) if proved else end._replace(error=end.error or told)
    return end

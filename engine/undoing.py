"""Undoes a migration that has ended: drops from the target exactly what it made, unless someone else wrote there since.

Under a lease everything is looked at first, once no call of a worker that was lost can arrive any more, and nothing is changed;
then each collection is counted once more and dropped. What was dropped is not dropped twice, so an undo that was interrupted is
undone by undoing again. An undo that drops nothing leaves the migration as it stood. The source is never connected to, and what a
replacement dropped before the copy is not brought back.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from engine import crashpoints
from engine.errors import (
    FerryError,
    LeaseLost,
    MigrationBusy,
    NeedsPerson,
    ShutdownRequested,
    StopWork,
    TargetChanged,
)
from engine.heartbeat import Heartbeat, held
from engine.ledger import CALLS_CUT, LEASE_SECONDS, Ledger, new_owner
from engine.lifecycle import EventName, is_undoable
from engine.milvus import definitions
from engine.milvus.connection import Cluster, connect
from engine.model import (
    CollectionPlan,
    CollectionState,
    Details,
    ErrorText,
    Lease,
    Migration,
    Plan,
    Progress,
    Secrets,
    Undone,
)
from engine.model.state import MAKES_DATABASE
from engine.ownership import Fate, Owner, drop_created, owner_of
from engine.proof.untouched import Untouched
from engine.together import together

_SAID_MAX = 6

_NOT_THERE: Final[Details] = {
    "phase": "dropped",
    "target_id": None,
    "report": None,
    "handed_over": False,
    "target_was_loaded": None,
}
"""What is known of a collection from its drop on: what stands under its name now is not the migration's, and nothing is proved."""

log = structlog.get_logger(__name__)


@dataclass
class _Drops:
    """What an attempt has dropped so far."""

    begun: bool = False
    fates: dict[str, Fate] = field(default_factory=dict)


def undo(
    ledger: Ledger,
    migration_id: str,
    secrets: Secrets,
    *,
    force: bool = False,
    lease_seconds: float = LEASE_SECONDS,
    on_progress: Callable[[Progress], None] | None = None,
) -> Undone:
    """Drops what a migration made on its target, in this process.

    Args:
        ledger: Where the migration is.
        migration_id: Which one; it has ended, or waits to be undone, or an undo of it was interrupted.
        secrets: The clusters' tokens; the target's is used.
        force: Drops what it made although someone else wrote to it, or it cannot be seen whether someone did.
        lease_seconds: How long the migration is this process's own from each sign of life.
        on_progress: Called twice a second, from a thread of its own; `slowed` says what is being waited for.

    Raises:
        TargetChanged: Someone else wrote there since; nothing was dropped.
        TransitionRefused: It does not stand where it could be undone.
        MigrationBusy: Another process is at it.
        FerryError: The target failed or refused. Where something was dropped, the migration has failed and can be undone again;
            else it stands as before.
    """
    ended = is_undoable(ledger.migration(migration_id).status)
    event = EventName.UNDO_NOW if ended else EventName.UNDO
    refused = ledger.refusal(migration_id, event)
    if refused is not None:
        raise refused
    lease = ledger.claim(migration_id, new_owner(), lease_seconds, event)
    try:
        with held(ledger, lease):
            end = drive(
                ledger, lease, secrets, threading.Event(), on_progress, lease_seconds, force=force
            )
    except LeaseLost as lost:
        raise MigrationBusy(
            f"Another process took {lease.migration_id} over.",
            state="What that one does not drop is as it was.",
            next_step=f"`ferry show {lease.migration_id}` shows how it stands.",
        ) from lost
    if isinstance(end, FerryError):
        raise end
    return end


def drive(
    ledger: Ledger,
    lease: Lease,
    secrets: Secrets,
    stop: threading.Event,
    on_progress: Callable[[Progress], None] | None = None,
    lease_seconds: float = LEASE_SECONDS,
    *,
    force: bool = False,
    patient: bool = False,
) -> Undone | FerryError:
    """Undoes a migration under its lease and records how that ended.

    Args:
        ledger: Where everything is recorded.
        lease: From `ledger.claim` with UNDO.
        secrets: The clusters' tokens; the target's is used.
        stop: Set it to hand the undo back to whoever waits for such.
        on_progress: As of `undo`.
        lease_seconds: How long the lease lasts from each renewal.
        force: As of `undo`.
        patient: Waits for a target that does not answer.

    Returns:
        What was dropped, or why the undo was not done.

    Raises:
        ShutdownRequested: It was handed back.
        LeaseLost: Another worker took over; it records the end.
    """
    with Heartbeat(ledger, lease, stop, on_progress, lease_seconds) as heartbeat:
        ledger = heartbeat.ledger
        drops = _Drops()
        try:
            try:
                return _undone(
                    ledger, lease, secrets, heartbeat, drops, force=force, patient=patient
                )
            except FerryError:
                heartbeat.check_now()  # a wait that a shutdown cut short is no failure
                raise
        except ShutdownRequested:
            ledger.finish(lease, EventName.RELEASE, _in_doubt(heartbeat))
            raise
        except FerryError as failure:
            _stopped(ledger, lease, heartbeat, failure, drops)
            return failure
        except Exception as failure:  # the outermost loop: the ledger must say how it ended
            log.exception("undo_failed", migration=lease.migration_id)
            told = NeedsPerson(
                f"Ferry itself failed: {type(failure).__name__}: {failure}.",
                next_step="Undo it again; if it fails again, send us the worker's log.",
            )
            _stopped(ledger, lease, heartbeat, told, drops)
            return told


def _undone(
    ledger: Ledger,
    lease: Lease,
    secrets: Secrets,
    heartbeat: Heartbeat,
    drops: _Drops,
    *,
    force: bool,
    patient: bool,
) -> Undone:
    migration = ledger.migration(lease.migration_id)
    if migration.plan is None:
        raise NeedsPerson(f"{migration.id} has no plan.", next_step="Request it again.")
    with connect(
        migration.plan.request.target,
        secrets.target,
        stop=heartbeat.halt,
        permit=heartbeat.permit,
        told=heartbeat.target_waits,
        patient=patient,
        cutting=heartbeat.cutting,
    ) as target:
        found = _Found(ledger, migration, migration.plan, target, heartbeat.check)
        try:
            with heartbeat.cutting(target.cut):
                heartbeat.outlast_others()  # a late creation would stand there after it, a late drop go by the name
                heartbeat.outlast_replacing([plan.name for plan, _ in found.begun])
                found.look(force=force)
                crashpoints.reached("undo_checked")
                return _dropped(found, lease, heartbeat, drops)
        except (FerryError, StopWork):
            target.mend()
            with heartbeat.cutting(target.cut):
                found.put_back()
            raise


def _stopped(
    ledger: Ledger, lease: Lease, heartbeat: Heartbeat, failure: FerryError, drops: _Drops
) -> None:
    """Records an undo that was not done: from the first drop on the migration has failed."""
    in_doubt = _in_doubt(heartbeat)
    if drops.begun:
        half = ErrorText(**_half(failure, drops.fates))
        ledger.finish(lease, EventName.FAIL, _details(drops.fates) | in_doubt, half)
    else:
        ledger.finish(lease, EventName.UNDO_LEFT, {"error": failure.parts} | in_doubt)


def _in_doubt(heartbeat: Heartbeat) -> Details:
    """Says so if a call was lost a moment ago: whoever comes next outlasts it."""
    return {CALLS_CUT: True} if heartbeat.has_cut else {}


class _Found:
    """What stands on the target of one migration.

    Args:
        ledger: What the migration made, and its receipts.
        migration: The migration.
        plan: Its plan.
        target: The open target.
        check: Called between chunks; raises a `StopWork` when the work must end.

    Attributes:
        here: Whether the target's database is there; known once it was looked at.
    """

    def __init__(
        self,
        ledger: Ledger,
        migration: Migration,
        plan: Plan,
        target: Cluster,
        check: Callable[[], None],
    ) -> None:
        self.check = check
        self.ledger = ledger
        self.migration = migration
        self.target = target
        self.here = False
        states = {state.name: state for state in ledger.collection_states(migration.id)}
        self.begun = [(each, states[each.name]) for each in plan.collections if each.name in states]
        self._untouched: dict[str, Untouched] = {}

    def look(self, *, force: bool) -> None:
        """Raises TargetChanged if someone else wrote to what this migration made; looks for the database alone if `force`."""
        self.here = self.target.database in definitions.database_names(self.target)
        if not self.here or force:
            return
        found: dict[str, list[str]] = {}
        states = {plan.name: state for plan, state in self.begun}

        def look(plan: CollectionPlan) -> None:
            found[plan.name] = self._obstacles(plan, states[plan.name])

        plans = [plan for plan, _ in self.begun]
        together(self.ledger, self.migration.id, plans, look, self.check)
        obstacles = [said for plan in plans for said in found[plan.name]]
        if obstacles:
            raise _changed(self.migration, obstacles)

    def look_again(self, plan: CollectionPlan) -> None:
        """Raises TargetChanged if the number of entities is another than it was a moment ago."""
        untouched = self._untouched.get(plan.name)
        said = untouched.recounted() if untouched else ""
        if said:
            raise _changed(self.migration, [said])

    def drop(self, plan: CollectionPlan, state: CollectionState) -> Fate:
        """Drops one of them; with a database that is gone, all that stood in it is."""
        if not self.here:
            return Fate.GONE
        return drop_created(self.target, plan, state, self.ledger, self.migration.id)

    def forget(self, plan: CollectionPlan) -> None:
        """Takes note that a collection was seen to."""
        self._untouched.pop(plan.name, None)

    def put_back(self) -> None:
        """Releases what was loaded to be looked at and still stands."""
        for untouched in self._untouched.values():
            untouched.put_back()

    def _obstacles(self, plan: CollectionPlan, state: CollectionState) -> list[str]:
        owner = owner_of(self.target, plan, state, self.ledger, self.migration.id)
        if owner is Owner.CHANGED:
            return [f"“{plan.name}”: its schema was changed"]
        if owner is not Owner.OURS:
            return []
        untouched = Untouched(self.target, plan, self.ledger, self.migration.id, self.check)
        self._untouched[plan.name] = untouched
        return [f"“{plan.name}”: {said}" for said in untouched.obstacles()]


def _dropped(found: _Found, lease: Lease, heartbeat: Heartbeat, drops: _Drops) -> Undone:
    """Drops everything under the lease, notes what became of each collection, and records the end."""
    fates = drops.fates
    for plan, state in found.begun:
        heartbeat.check_now()
        found.look_again(plan)
        if not drops.begun:
            found.ledger.finish(lease, EventName.DROP)
            drops.begun = True
            crashpoints.reached("undo_begun")
        # Its aliases go before it does: whoever resumes what stops in between makes them anew.
        found.ledger.set_collection(lease, plan.name, handed_over=False)
        fates[plan.name] = found.drop(plan, state)
        found.ledger.set_collection(lease, plan.name, **_NOT_THERE)
        found.forget(plan)
    kept = _drop_database(found, lease, heartbeat.check_now) if found.here else ""
    told: Details = {"database": kept is None, "database_left": kept or ""}
    ended = found.ledger.finish(lease, EventName.UNDONE, _details(fates) | told)
    crashpoints.reached("undone")
    return Undone(
        migration=ended.id,
        state=ended.status,
        dropped=_with(fates, Fate.DROPPED),
        gone=_with(fates, Fate.GONE),
        left=_with(fates, Fate.LEFT),
        database_dropped=kept is None,
        database_left=kept or "",
    )


def _drop_database(found: _Found, lease: Lease, check: Callable[[], None]) -> str | None:
    """Drops the database if this migration made it, nothing stands in it any more, and no other one is about to fill it.

    Returns:
        None where it was dropped; else why it is left although this migration made it, or "".
    """
    ledger, target = found.ledger, found.target
    made = any(ledger.noted(found.migration.id, note) for note in MAKES_DATABASE)
    if not made:
        return ""
    if other := ledger.leave_database(lease):
        return f"{other} uses it; an undo of that one drops it."
    if definitions.collection_names(target):
        return "what stands in it was not made by this migration."
    check()
    crashpoints.reached("dropping_database")
    definitions.drop_database(target, target.database)
    return None


def _with(fates: dict[str, Fate], fate: Fate) -> tuple[str, ...]:
    return tuple(name for name, each in fates.items() if each is fate)


def _details(fates: dict[str, Fate]) -> Details:
    return {fate.value: list(_with(fates, fate)) for fate in Fate if fate in fates.values()}


def _half(failure: FerryError, fates: dict[str, Fate]) -> dict[str, str]:
    gone = ", ".join(_with(fates, Fate.DROPPED))
    state = f"Dropped so far: {gone}." if gone else "Nothing was dropped."
    return failure.parts | {
        "state": f"{state} The source was not touched.",
        "next_step": "Undo it again once that is mended, or resume it to copy again what was dropped.",
    }


def _changed(migration: Migration, obstacles: list[str]) -> TargetChanged:
    more = len(obstacles) - _SAID_MAX
    said = "; ".join(obstacles[:_SAID_MAX]) + (f"; and {more} more" if more > 0 else "")
    return TargetChanged(
        f"Someone else has changed on {migration.request.target} what {migration.id} made there: {said}.",
        state="Nothing was dropped.",
        next_step="Save what must be kept. "
        f"`ferry undo {migration.id} --force` then drops what this migration made, with everything in it.",
    )

"""What the engine can be asked to do; the command line and the bot call these and nothing below them.

No verb knows Slack, reads a configuration file or prints.
"""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count

from engine import handover, planner, reports, undoing
from engine.errors import PlanBlocked
from engine.heartbeat import held
from engine.ledger import LEASE_SECONDS, Ledger
from engine.ledger.owners import new_owner
from engine.lifecycle import EventName, Status, zilliz_word
from engine.milvus import definitions, lite, loading, schemas
from engine.milvus.capabilities import Target
from engine.milvus.connection import Cluster, connect
from engine.milvus.survey import (
    reader_of,
    require_collection,
    require_database,
    require_some,
    survey,
)
from engine.model import (
    AutoId,
    CollectionPlan,
    CollectionReport,
    Endpoint,
    KeyPolicy,
    Migration,
    MismatchKind,
    Outcome,
    Plan,
    Progress,
    Report,
    Request,
    Secrets,
    Undone,
)
from engine.patience import Say, placed, unheard
from engine.planner import Standing, make_plan, require_two, standing_of
from engine.proof.keyless import proof_of
from engine.proof.tally import Listing, Tally
from engine.ranges import CHUNK_BYTES
from engine.remake import not_beside, remigrated, remigration
from engine.reports import listed
from engine.runner import drive

__all__ = [
    "blocked",
    "check",
    "keys_in_question",
    "list_collections",
    "list_databases",
    "listed",
    "plan",
    "remigrated",
    "remigration",
    "repair",
    "report",
    "run",
    "undo",
    "verify",
    "work",
]

_CONFLICTS_SAID = 12


def check(endpoint: Endpoint, token: str) -> str:
    """The version of a cluster that answers and accepts the token; raises a FerryError otherwise."""
    with connect(endpoint, token) as cluster:
        definitions.database_names(cluster)
        return cluster.version


def list_databases(endpoint: Endpoint, token: str) -> tuple[str, ...]:
    """The databases of a cluster, sorted."""
    with connect(endpoint, token) as cluster:
        return definitions.database_names(cluster)


def list_collections(endpoint: Endpoint, token: str) -> tuple[str, ...]:
    """The collections of a database, sorted."""
    with connect(endpoint, token) as cluster:
        return definitions.collection_names(cluster)


def plan(request: Request, secrets: Secrets, told: Say = unheard) -> Plan:
    """Surveys both sides and writes nothing (`planner.make_plan`)."""
    lite.require_born(request.source)
    with connect(request.source, secrets.source) as source:
        unborn = lite.unborn_version(request.target)
        if unborn is not None:
            return make_plan(source, Standing(request.target, unborn, is_lite=True), request, told)
        with connect(request.target, secrets.target) as target:
            return make_plan(source, standing_of(target), request, told)


def keys_in_question(request: Request, secrets: Secrets) -> tuple[str, ...]:
    """The collections for which `Request.auto_id` makes a difference (`planner.keys_in_question`); writes nothing."""
    lite.require_born(request.source)
    with connect(request.source, secrets.source) as source:
        unborn = lite.unborn_version(request.target)
        if unborn is not None:
            return planner.keys_in_question(source, Target(unborn, lite=True), request)
        with connect(request.target, secrets.target) as target:
            kind = Target(target.version, target.is_lite)
            return planner.keys_in_question(source, kind, request)


def blocked(plan: Plan, ledger: Ledger | None) -> PlanBlocked | None:
    """Why a plan cannot be carried out, whatever anybody approves; None when nothing stands in the way.

    Where a migration of this ledger made what is in the way, it is named: what it made need not be made again.
    """
    if not plan.conflicts:
        return None
    more = len(plan.conflicts) - _CONFLICTS_SAID
    said = [*plan.conflicts[:_CONFLICTS_SAID], *([f"And {more} more."] if more > 0 else [])]
    in_the_way = [each.name for each in plan.collections if each.conflict][:_CONFLICTS_SAID]
    maker = ledger.maker(plan.request.target, in_the_way) if ledger else None
    made = f"{_made_by(ledger, maker)} Or choose" if ledger and maker else "Choose"
    return PlanBlocked(
        " ".join(said),
        state="Nothing was written on either side.",
        next_step=f"{made} another target or leave these collections out"
        + ("." if plan.request.replaces_anything else _OR_REPLACE),
    )


_OR_REPLACE = (
    "; what the target holds under the same name can also be replaced "
    "(On conflict: Replace, --on-conflict replace)."
)


def _made_by(ledger: Ledger, maker: Migration) -> str:
    """Which migration made it, and what can be done with that one as it stands."""
    ended = f" since {maker.ended_at:%Y-%m-%d %H:%M} UTC" if maker.ended_at else ""
    if ledger.refusal(maker.id, EventName.VERIFY) is None:
        advice = "What it made can be verified again."
    elif ledger.refusal(maker.id, EventName.RESUME) is None:
        advice = "It can be resumed."
    else:
        advice = "Wait until that has ended."
    word = zilliz_word(maker.status)
    return f"{maker.id} made a collection of that name there and stands as {word}{ended}. {advice}"


def run(
    ledger: Ledger,
    migration_id: str,
    secrets: Secrets,
    *,
    stop: threading.Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    lease_seconds: float = LEASE_SECONDS,
) -> Report:
    """Claims a queued or abandoned migration and drives it to its end in this process.

    Args:
        ledger: Where the migration is.
        migration_id: Which one.
        secrets: The clusters' tokens.
        stop: Set it to hand the migration back to the queue.
        on_progress: Called twice a second, from a thread of its own.
        chunk_bytes: Size of the chunks that are planned now; those planned before keep theirs.
        lease_seconds: How long the migration is this process's own from each sign of life.

    Raises:
        MigrationBusy: A live worker holds it.
        LeaseLost: Another worker took over meanwhile.
        ServiceUnavailable: The ledger does not answer.
    """
    lease = ledger.claim(migration_id, new_owner(), lease_seconds)
    with held(ledger, lease):
        drive(
            ledger,
            lease,
            secrets,
            stop or threading.Event(),
            on_progress,
            chunk_bytes,
            lease_seconds,
        )
    return reports.report(ledger, migration_id)


def repair(ledger: Ledger, migration_id: str, actor: str) -> Migration:
    """Asks for the repair of a migration that ended: its next run mends what did not verify, and verifies that again.

    One that is being repaired already is left as it is. `run` does the work.

    Raises:
        TransitionRefused: It has not ended, or nothing can go on from how it ended.
        InputRejected: There is no such migration, or another one does again what it left unproved.
    """
    migration = ledger.migration(migration_id)
    beside = not_beside(ledger, migration)
    if beside is not None:
        raise beside
    under_way = migration.status in {Status.QUEUED, Status.RUNNING}
    if under_way and ledger.asked_of(migration.id) is EventName.REPAIR:
        return migration
    with ledger.transaction() as act:
        return act.apply(migration.id, EventName.REPAIR, actor=actor)


def work(
    ledger: Ledger,
    migration_id: str,
    secrets: Secrets,
    *,
    stop: threading.Event,
    chunk_bytes: int = CHUNK_BYTES,
    lease_seconds: float = LEASE_SECONDS,
) -> None:
    """What a worker does: undoes a migration of which that was asked, runs any other; arguments and errors as of `run`.

    Raises:
        ShutdownRequested: An undo was handed back.
    """
    asked = ledger.migration(migration_id).status in {Status.UNDO_ASKED, Status.UNDOING}
    if not asked:
        run(
            ledger,
            migration_id,
            secrets,
            stop=stop,
            chunk_bytes=chunk_bytes,
            lease_seconds=lease_seconds,
        )
        return
    lease = ledger.claim(migration_id, new_owner(), lease_seconds, EventName.UNDO)
    with held(ledger, lease):
        undoing.drive(ledger, lease, secrets, stop, lease_seconds=lease_seconds, patient=True)


def undo(
    ledger: Ledger,
    migration_id: str,
    secrets: Secrets,
    *,
    force: bool = False,
    lease_seconds: float = LEASE_SECONDS,
    on_progress: Callable[[Progress], None] | None = None,
) -> Undone:
    """Drops what a migration that has ended made on its target (`engine/undoing.py`)."""
    return undoing.undo(
        ledger,
        migration_id,
        secrets,
        force=force,
        lease_seconds=lease_seconds,
        on_progress=on_progress,
    )


def report(ledger: Ledger, migration_id: str) -> Report:
    """What became of a migration, from the ledger."""
    return reports.report(ledger, migration_id)


def verify(
    request: Request, secrets: Secrets, listing: Listing | None = None, told: Say = unheard
) -> Report:
    """Reads both databases as they are now and compares every entity; needs no ledger.

    Collections that are released are loaded for it and released again.

    Args:
        request: Source, target and selection.
        secrets: The clusters' tokens.
        listing: Gets each mismatch as it is found; one call at a time, from several threads.
        told: Takes what is being done, a sentence for people, each time that changes.

    Raises:
        InputRejected: A database or a `.db` is not there, or both sides are one.
        SourceUnusable: Nothing is there to compare, or a chosen collection does not exist.
    """
    started = time.monotonic()
    for endpoint in (request.source, request.target):
        lite.require_born(endpoint)
    with ExitStack() as stack:
        source = stack.enter_context(connect(request.source, secrets.source))
        target = stack.enter_context(connect(request.target, secrets.target))
        for cluster in (source, target):
            require_database(cluster)
        names = request.collections or definitions.collection_names(source)
        require_two(source, standing_of(target), names)
        require_some(source, names)
        for name in names:
            require_collection(source, name)
        collections = tuple(
            _verified(source, target, name, request.auto_id, listing, _compared(told, name, place))
            for name, place in placed(names)
        )
    same = all(collection.verified for collection in collections)
    return Report(
        migration=None,
        status=Outcome.SUCCESSFUL if same else Outcome.MISMATCHED,
        seconds=time.monotonic() - started,
        entities=sum(collection.source_entities for collection in collections),
        collections=collections,
    )


def _compared(told: Say, name: str, place: str) -> Callable[[], None]:
    """Is called before each range of keys of a collection that is compared, and says how many these were."""
    said = f"“{name}” is being compared, {place}"
    told(f"{said}.")
    ranges = count(1)
    return lambda: told(f"{said}: {next(ranges):,} ranges of its keys so far.")


def _verified(
    source: Cluster,
    target: Cluster,
    name: str,
    auto_id: AutoId,
    listing: Listing | None,
    compared: Callable[[], None],
) -> CollectionReport:
    with loading.loaded(source, name):
        plan = survey(source, name)
        if definitions.describe(target, name) is None:
            return _absent(source, plan, listing)
        with loading.loaded(target, name):
            plan = plan.model_copy(update={"keys": _key_policy_of(target, plan, auto_id)})
            report = proof_of(source, target, plan, compared).of_databases(listing)
            kept = plan.keys is KeyPolicy.PLAIN
            return handover.noted(report, handover.AUTO_ID_OFF if kept else "")


def _key_policy_of(target: Cluster, plan: CollectionPlan, wanted: AutoId) -> KeyPolicy:
    """What became of the keys, by what stands on the target; with auto-id on they are kept too, unless new ones were wanted."""
    described = definitions.describe(target, plan.name)
    if not plan.auto_id or described is None or not schemas.makes_keys(described.schema):
        return plan.keys
    return KeyPolicy.NEW if wanted is AutoId.NEW else KeyPolicy.ALLOWED


def _absent(source: Cluster, plan: CollectionPlan, listing: Listing | None) -> CollectionReport:
    tally = Tally(plan.name, listing)
    for partition in plan.partitions:
        tally.whole(reader_of(source, plan), partition.name, MismatchKind.MISSING)
    base = CollectionReport(
        name=plan.name,
        source_entities=plan.entities,
        target_entities=0,
        notes=("the collection is not on the target",),
        absent=True,
    )
    return tally.added_to(base)

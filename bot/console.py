"""What the commands of `bot/cli.py` share: the migration that runs in this terminal, what is said of it, how it ends as a status.

A failure becomes sentences or one JSON object. Nothing here is a command.
"""

import getpass
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import typer
from typer.exceptions import TyperException

import engine
from bot import interrupted, terminal, typed, under_way
from bot import settings as configuration
from engine import remake, reports
from engine.errors import (
    FerryError,
    InputRejected,
    LeaseLost,
    MigrationBusy,
    PlanBlocked,
    ServiceUnavailable,
    SourceChanged,
    TargetNotEmpty,
    exit_code_of,
)
from engine.ledger import Ledger, TransitionRefused, database_exists
from engine.lifecycle import (
    EventName,
    Status,
    canceling,
    is_resumable,
    is_terminal,
    zilliz_word,
)
from engine.model import (
    AutoId,
    ErrorText,
    Found,
    Migration,
    OnConflict,
    Outcome,
    Plan,
    Progress,
    Report,
    Request,
    Secrets,
    Throttle,
)
from engine.worker import tuning

_ENDS: dict[str, int] = {Outcome.SUCCESSFUL: 0, Outcome.MISMATCHED: 3, Outcome.CANCELED: 6}
_TRY_AGAIN = 5
"""It went back to the queue, for example after SIGTERM."""


def planned(
    ledger: Ledger, request: Request, secrets: Secrets, again_of: Migration | None = None
) -> Migration:
    """Plans a request and queues it, for the operator, who is alone, and is told what it deletes; raises PlanBlocked if need be."""
    tuning()  # raises before a migration is left in the queue that cannot be run here
    made = surveyed(request, secrets)
    blocked = engine.blocked(made, ledger)
    if blocked is not None:
        raise blocked
    terminal.deletions(made)
    who = operator()
    with ledger.transaction() as act:
        migration = act.add_migration(request, requester=who)
        act.record_plan(migration.id, made, who)
        if again_of is not None:
            act.note(again_of.id, remake.REMIGRATED, who, {"as": migration.id})
        return act.apply(migration.id, EventName.ENQUEUE, actor=who)


def surveyed(request: Request, secrets: Secrets) -> Plan:
    """The plan of a request; where it takes long, what is being looked at is said."""
    with under_way.lasting() as told:
        return engine.plan(request, secrets, told)


def compared(request: Request, write: Callable[[Found], None] | None) -> Report:
    """What the comparison of two databases found; where it takes long, how far it is is said."""
    with under_way.lasting() as told:
        return engine.verify(request, typed.secrets_of(request), write, told)


def blocked(plan: Plan) -> PlanBlocked | None:
    """Why a plan cannot be carried out; the ledger, if there is one that can be read, says who made what is in the way."""
    if not plan.conflicts:
        return None
    address = configuration.load().database_url
    try:
        if database_exists(address):
            with Ledger.open(address) as ledger:
                return engine.blocked(plan, ledger)
    except FerryError as error:
        said = f"Who made what is in the way is not known: {error.message}"
        terminal.err.print(said, markup=False)
    return engine.blocked(plan, None)


def is_void(migration: Migration, request: Request) -> bool:
    """Whether what ended cannot go on as it was planned: the source changed, or now it may replace what was in the way.

    What may be replaced is in the plan: a collection that appeared later is in the way of a request with Replace as well.
    """
    if not is_terminal(migration.status):
        return False
    code = migration.error.code if migration.error else ""
    met = migration.request.on_conflict is OnConflict.FAIL or code == TargetNotEmpty.code
    return code == SourceChanged.code or (met and request.on_conflict is OnConflict.REPLACE)


def require_same_keys(migration: Migration, auto_id: AutoId) -> None:
    """Raises InputRejected when an unfinished migration was begun with the other choice for keys that the source made."""
    begun = migration.request.auto_id
    if begun is not auto_id:
        raise InputRejected(
            f"{migration.id} was begun with --auto-id {begun}, and is not finished.",
            state="Nothing was changed.",
            next_step=f"Continue it without --auto-id, or drop first what it made: `ferry undo {migration.id}`, "
            f"after `ferry cancel {migration.id}` if it has not ended.",
        )


def require_same_check(migration: Migration, *, check_source: bool) -> None:
    """Raises InputRejected when an unfinished migration was begun without the check of the source that is asked for now."""
    if check_source and not migration.request.check_source:
        raise InputRejected(
            f"{migration.id} was begun without --check-source, and is not finished.",
            state="Nothing was changed.",
            next_step="Continue it without --check-source; `ferry verify` reads both sides whole once it has ended.",
        )


def made_again(ledger: Ledger, old: Migration) -> Migration:
    """The migration that does again what is not proved of an old one: a new one, or the one that is under way already.

    Raises:
        InputRejected: Nothing is to be done again, or it was, and that has ended.
        PlanBlocked: What the old one made is not what stands on the target now.
    """
    before = engine.remigrated(ledger, old.id)
    if before is not None and before.status in {Status.SUCCESSFUL, Status.MISMATCHED}:
        raise InputRejected(
            f"{old.id} was migrated again as {before.id}, which ended as {before.status.upper()}.",
            state="Nothing was changed.",
            next_step=f"`ferry show {before.id}` shows it; `ferry remigrate {before.id}` does it once more.",
        )
    request = engine.remigration(ledger, old.id)
    if before is None or before.status in terminal.IN_VAIN or is_void(before, request):
        return planned(ledger, request, typed.secrets_of(request), again_of=old)
    return before


def resumed(ledger: Ledger, migration_id: str) -> Migration:
    """The migration that is to go on; raises InputRejected where there is none, or another one does again what it left unproved."""
    migration = ledger.migration(migration_id)
    beside = remake.not_beside(ledger, migration)
    if beside is not None:
        raise beside
    return migration


def driven(ledger: Ledger, migration: Migration, secrets: Secrets) -> Report:
    """Runs a migration in this terminal to its end; one that was paused, or that ended and can go on, is resumed.

    Raises:
        InputRejected: It waits for approval.
        MigrationBusy: Another process works on it.
    """
    if migration.status in {Status.PLANNING, Status.AWAITING_APPROVAL}:
        raise InputRejected(
            f"{migration.id} asks for the same and waits for approval in Slack.",
            state="Nothing was started.",
            next_step=f"Have it approved there, or cancel it: ferry cancel {migration.id}.",
        )
    ended = is_terminal(migration.status)  # where it cannot go on, the refusal says why
    if ended or is_resumable(migration.status) or migration.pause_requested_at is not None:
        with ledger.transaction() as act:
            act.apply(migration.id, EventName.RESUME, actor=operator())
    stop = threading.Event()
    canceled = threading.Event()
    with under_way.progress(migration) as shown, interrupted.orders(stop, canceled):

        def on_progress(progress: Progress) -> None:
            shown(progress)
            if canceled.is_set():
                # It may have ended in this very moment; then there is nothing to cancel.
                with suppress(TransitionRefused), ledger.transaction() as act:
                    act.apply(migration.id, EventName.CANCEL, actor=operator())
                canceled.clear()  # not before: a ledger that fails is asked again at the next beat
                terminal.err.print(interrupted.canceling(migration.id), markup=False)

        try:
            report = engine.run(
                ledger, migration.id, secrets, stop=stop, on_progress=on_progress, **tuning()
            )
            return reports.of_run(report, ledger.last_change(migration.id))
        except LeaseLost as lost:
            raise MigrationBusy(
                f"Another process took {migration.id} over.",
                state="It goes on there; nothing was lost.",
                next_step=f"`ferry show {migration.id}` shows its progress.",
            ) from lost


def paused(migration_id: str, *, json: bool) -> Migration:
    """Pauses a migration, and with --json says how it stands now; raises TransitionRefused."""
    with open_ledger() as ledger, ledger.transaction() as act:
        migration = act.apply(migration_id, EventName.PAUSE, actor=operator())
    if json:
        _standing_as_json(migration)
    return migration


def canceled(migration_id: str, *, json: bool) -> tuple[Migration, tuple[str, ...]]:
    """Cancels a migration, or takes back an undo that has not begun, and with --json says how it stands now.

    What a lost worker left loaded is released here before it ends, unless another process is at that already.

    Returns:
        The migration as it stands now, and the collections that stand loaded though they were loaded only to be read.

    Raises:
        TransitionRefused: It has ended, or is already being canceled.
    """
    with open_ledger() as ledger:
        migration = ledger.migration(migration_id)
        if not migration.putting_back:
            with ledger.transaction() as act:
                before = act.migration(migration.id)
                migration = act.apply(before.id, canceling(before.status), actor=operator())
        if migration.putting_back:
            _put_back(ledger, migration)
            migration = ledger.migration(migration.id)
        states = ledger.collection_states(migration.id)
    loaded = tuple(each.name for each in states if each.borrowed)
    if json:
        _standing_as_json(migration, still_loaded=loaded)
    return migration, loaded


def _put_back(ledger: Ledger, migration: Migration) -> None:
    """Ends a cancel as its worker; where nobody can connect any more it ends all the same."""
    try:
        secrets = typed.secrets_of(migration.request)
    except FerryError as error:
        terminal.err.print(error.message, markup=False)
        with suppress(TransitionRefused), ledger.transaction() as act:
            act.apply(migration.id, EventName.CANCEL, actor=operator())
        return
    # Another process may be at it, or have ended it just now.
    with suppress(MigrationBusy, LeaseLost, TransitionRefused):
        engine.run(ledger, migration.id, secrets, **tuning())


def _standing_as_json(migration: Migration, **more: tuple[str, ...]) -> None:
    word = zilliz_word(migration.status)
    terminal.as_json({"migration": migration.id, "status": word, "state": migration.status} | more)


@contextmanager
def reported(*, json: bool) -> Iterator[Callable[[Report], None]]:
    """Shows the report that the block finishes with, and exits; a failure is shown by whoever started the command."""
    ended: list[Report] = []
    yield ended.append
    report = ended[-1]
    if json:
        terminal.as_json(report.model_dump(mode="json"))
    else:
        terminal.report(report)
        terminal.goes_on(report.migration, report.state, report.error)
    raise typer.Exit(_exit_status(report))


@contextmanager
def about(ledger: Ledger, migration: Migration, *, json: bool) -> Iterator[None]:
    """Ends a failure of the block, or its interruption, with this migration in it; with --json as the one object."""
    try:
        try:
            yield
        except KeyboardInterrupt:
            raise interrupted.interrupted(_as_known(ledger, migration)) from None
    except FerryError as error:
        if not json:
            raise
        failed_object(error, _as_known(ledger, migration))
        raise typer.Exit(error.exit_code) from error


def _as_known(ledger: Ledger, migration: Migration) -> Migration:
    """A migration as it stands now; as it was last seen where the ledger does not answer."""
    with suppress(ServiceUnavailable):
        return ledger.migration(migration.id)
    return migration


def failed_object(error: FerryError, migration: Migration | None = None) -> None:
    """Prints a failure as the one object of --json, in the shape of a report: what failed is the command.

    Args:
        error: Why.
        migration: What the command was about, as it stands now; a refusal brings it along.
    """
    if isinstance(error, TransitionRefused):
        migration = error.migration
    failed = Report(
        migration=migration.id if migration else None,
        status=Outcome.FAILED,
        state=migration.status if migration else "",
        error=ErrorText(**error.parts),
    )
    terminal.as_json(failed.model_dump(mode="json"))


def misused(error: TyperException) -> InputRejected:
    """What is wrong with how a command was written."""
    return InputRejected(
        error.format_message(),
        state="Nothing was started.",
        next_step="`ferry --help` names the commands, `ferry COMMAND --help` what one takes.",
    )


def _exit_status(report: Report) -> int:
    if report.error is not None and report.status not in _ENDS:
        return exit_code_of(report.error.code)
    return _ENDS.get(report.status, _TRY_AGAIN)


def limit(ledger: Ledger, migration: Migration, throttle: Throttle | None) -> None:
    """Throttles a migration, if a throttle was asked for; what was asked for before stays otherwise."""
    if throttle is not None:
        with ledger.transaction() as act:
            act.throttle(migration.id, throttle, operator())


def open_ledger() -> Ledger:
    """The ledger that the environment or the configuration names."""
    return Ledger.open(configuration.load().database_url)


def operator() -> str:
    """Who types here: `user@host`."""
    return f"{getpass.getuser()}@{platform.node()}"

"""The command line: `ferry demo | serve | plan | migrate | verify | jobs | show | cancel | resume | doctor`.

It resolves names, calls the engine's verbs and turns the outcome into an exit status (design.md,
Command line). The bot and the demo are imported by the commands that need them.
"""

import getpass
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import structlog
import typer

import engine
from bot import settings as configuration
from bot import terminal
from engine.errors import (
    FerryError,
    InputRejected,
    LeaseLost,
    MigrationBusy,
    SourceChanged,
    exit_code_of,
)
from engine.ledger import Ledger, TransitionRefused
from engine.lifecycle import EventName, Status, is_resumable
from engine.model import (
    Endpoint,
    ErrorText,
    Migration,
    OnConflict,
    Outcome,
    Progress,
    Report,
    Request,
    Secrets,
)

app = typer.Typer(
    help="Ferry moves Milvus and Zilliz Cloud databases and proves that nothing was lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Source = Annotated[
    str, typer.Argument(help="A cluster's name, http(s)://host:port, or a .db path.")
]
Target = Annotated[str, typer.Argument(help="As SOURCE.")]
Database = Annotated[str, typer.Option("--database", help="The database on both sides.")]
Collections = Annotated[
    list[str] | None, typer.Option("--collection", help="Only this one; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Conflict = Annotated[OnConflict, typer.Option("--on-conflict", help="When the target has it.")]
MigrationId = Annotated[str, typer.Argument(metavar="ID", help="As in `ferry jobs`.")]

_ENDS: dict[str, int] = {Outcome.SUCCESSFUL: 0, Outcome.MISMATCHED: 3, Outcome.CANCELED: 6}
_TRY_AGAIN = 5
"""It went back to the queue, for example after SIGTERM."""


def main() -> None:
    """Runs a command; every failure that a person can understand ends as a sentence and a status."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        app()
    except FerryError as error:
        terminal.failure(error)
        sys.exit(error.exit_code)


@app.command()
def plan(
    source: Source,
    target: Target,
    database: Database = "default",
    collection: Collections = None,
    *,
    json: Json = False,
) -> None:
    """Say what a migration would do and lose; writes nothing."""
    request = _request(source, target, database, collection, OnConflict.FAIL)
    made = engine.plan(request, _secrets(request))
    if json:
        terminal.as_json(made.model_dump(mode="json") | {"hash": made.hash})
    else:
        terminal.plan(made)
    raise typer.Exit(InputRejected.exit_code if made.conflicts else 0)


@app.command()
def migrate(
    source: Source,
    target: Target,
    database: Database = "default",
    collection: Collections = None,
    on_conflict: Conflict = OnConflict.FAIL,
    *,
    json: Json = False,
) -> None:
    """Copy a database and prove it; the same command again continues what was interrupted."""
    with _reported(json=json) as finish:
        request = _request(source, target, database, collection, on_conflict)
        secrets = _secrets(request)
        with _ledger() as ledger:
            migration = ledger.unfinished(request.identity)
            if migration is None or _is_void(migration, request):
                migration = _planned(ledger, request, secrets)
            finish(_driven(ledger, migration, secrets))


@app.command()
def resume(migration_id: MigrationId, *, json: Json = False) -> None:
    """Continue a migration that failed, was canceled or lost its worker."""
    with _reported(json=json) as finish, _ledger() as ledger:
        migration = ledger.migration(migration_id)
        finish(_driven(ledger, migration, _secrets(migration.request)))


@app.command()
def verify(
    source: Source,
    target: Target,
    database: Database = "default",
    collection: Collections = None,
    *,
    json: Json = False,
) -> None:
    """Compare every entity of two databases as they are now, whoever copied them."""
    with _reported(json=json) as finish:
        request = _request(source, target, database, collection, OnConflict.FAIL)
        finish(engine.verify(request, _secrets(request)))


@app.command()
def jobs(*, json: Json = False) -> None:
    """List the migrations, newest first."""
    with _ledger() as ledger:
        migrations = ledger.migrations()
    if json:
        terminal.as_json({"migrations": [each.model_dump(mode="json") for each in migrations]})
    else:
        terminal.jobs(migrations)


@app.command()
def show(migration_id: MigrationId, *, json: Json = False) -> None:
    """Show one migration: how it stands, what was found, what happened."""
    with _ledger() as ledger:
        migration = ledger.migration(migration_id)
        report = engine.report(ledger, migration.id)
        events = ledger.events(migration_id=migration.id)
    if json:
        history = [each.model_dump(mode="json") for each in events]
        terminal.as_json(report.model_dump(mode="json") | {"events": history})
    else:
        terminal.report(report)
        terminal.events(events)


@app.command()
def cancel(migration_id: MigrationId, *, json: Json = False) -> None:
    """Stop a migration between two chunks; it can be resumed."""
    with _ledger() as ledger, ledger.transaction() as act:
        migration = act.migration(migration_id)
        migration = act.apply(migration.id, EventName.CANCEL, actor=_operator())
    if json:
        terminal.as_json({"migration": migration.id, "status": migration.status.upper()})
    elif migration.status is Status.CANCELED:
        terminal.out.print(f"{migration.id} is canceled. What was copied stands on the target.")
    else:
        terminal.out.print(f"{migration.id} stops after the chunks under way.")


@app.command()
def serve(
    config: Annotated[Path | None, typer.Option("--config", help="Default: ferry.yml.")] = None,
) -> None:
    """Run the Slack bot."""
    from bot.runtime import serve as run  # noqa: PLC0415  # Slack is needed by this command alone

    run(configuration.load(config))


@app.command()
def doctor(
    config: Annotated[Path | None, typer.Option("--config", help="Default: ferry.yml.")] = None,
) -> None:
    """Check Slack, scopes, channels, clusters and database; one line each."""
    from bot.doctor import examine  # noqa: PLC0415  # as in serve

    raise typer.Exit(examine(configuration.load(config)))


@app.command()
def demo(
    *,
    script: Annotated[bool, typer.Option("--script", help="Play the story by itself.")] = False,
    port: Annotated[int | None, typer.Option("--port", help="The page's port.")] = None,
) -> None:
    """Start a Slack workspace on this machine, two clusters with data, and the bot."""
    from bot.demo import run  # noqa: PLC0415  # its parts are an extra

    raise typer.Exit(run(port=port, script=script))


def _planned(ledger: Ledger, request: Request, secrets: Secrets) -> Migration:
    made = engine.plan(request, secrets)
    blocked = engine.blocked(made)
    if blocked is not None:
        raise blocked
    operator = _operator()
    with ledger.transaction() as act:
        migration = act.add_migration(request, requester=operator)
        act.record_plan(migration.id, made, operator)
        return act.apply(migration.id, EventName.ENQUEUE, actor=operator)


def _is_void(migration: Migration, request: Request) -> bool:
    """Whether what ended cannot go on as it was planned: the source changed, or now it may replace what was in the way."""
    if not is_resumable(migration.status):
        return False
    changed = migration.error is not None and migration.error.code == SourceChanged.code
    before, now = migration.request.on_conflict, request.on_conflict
    return changed or (before is OnConflict.FAIL and now is OnConflict.REPLACE)


def _driven(ledger: Ledger, migration: Migration, secrets: Secrets) -> Report:
    if migration.status in {Status.PLANNING, Status.AWAITING_APPROVAL}:
        raise InputRejected(
            f"{migration.id} asks for the same and waits for approval in Slack.",
            state="Nothing was started.",
            next_step=f"Have it approved there, or cancel it: ferry cancel {migration.id}.",
        )
    if is_resumable(migration.status):
        with ledger.transaction() as act:
            act.apply(migration.id, EventName.RESUME, actor=_operator())
    stop = threading.Event()
    interrupted = threading.Event()
    with terminal.progress() as shown, _signals(stop, interrupted):

        def on_progress(progress: Progress) -> None:
            shown(progress)
            if interrupted.is_set():
                interrupted.clear()
                # It may have ended in this very moment; then there is nothing to cancel.
                with suppress(TransitionRefused), ledger.transaction() as act:
                    act.apply(migration.id, EventName.CANCEL, actor=_operator())

        try:
            return engine.run(ledger, migration.id, secrets, stop=stop, on_progress=on_progress)
        except LeaseLost as lost:
            raise MigrationBusy(
                f"Another process took {migration.id} over.",
                state="It goes on there; nothing was lost.",
                next_step=f"`ferry show {migration.id}` shows its progress.",
            ) from lost


@contextmanager
def _signals(stop: threading.Event, interrupted: threading.Event) -> Iterator[None]:
    """Ctrl-C cancels, and a second one ends at once; SIGTERM hands the migration back to the queue."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def interrupt(*_: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _reported(*, json: bool) -> Iterator[Callable[[Report], None]]:
    """Shows the report that the block finishes with, or the failure it ended in, and exits."""
    reports: list[Report] = []
    try:
        yield reports.append
    except FerryError as error:
        if not json:
            raise
        told = ErrorText(**error.parts)
        reports.append(Report(migration=None, status=Outcome.FAILED, error=told))
    report = reports[-1]
    if json:
        terminal.as_json(report.model_dump(mode="json"))
    else:
        terminal.report(report)
    raise typer.Exit(_exit_status(report))


def _exit_status(report: Report) -> int:
    if report.error is not None and report.status not in _ENDS:
        return exit_code_of(report.error.code)
    return _ENDS.get(report.status, _TRY_AGAIN)


def _request(
    source: str,
    target: str,
    database: str,
    collections: list[str] | None,
    on_conflict: OnConflict,
) -> Request:
    return Request(
        source=_endpoint(source, database),
        target=_endpoint(target, database),
        collections=tuple(sorted(set(collections or ()))),
        on_conflict=on_conflict,
    )


def _endpoint(given: str, database: str) -> Endpoint:
    if given.startswith(("http://", "https://")):
        return Endpoint(name=given, uri=given, database=database)
    if given.endswith(".db"):
        return Endpoint(name=given, uri=str(Path(given).absolute()), database=database)
    return configuration.load().endpoint(given, database)


def _secrets(request: Request) -> Secrets:
    return Secrets(
        _token(request.source, "FERRY_SOURCE_TOKEN"), _token(request.target, "FERRY_TARGET_TOKEN")
    )


def _token(endpoint: Endpoint, variable: str) -> str:
    if endpoint.name == endpoint.uri or endpoint.name.endswith(".db"):
        return os.environ.get(variable, "")
    return configuration.load().token_of(endpoint)


def _ledger() -> Ledger:
    return Ledger.open(configuration.load().database_url)


def _operator() -> str:
    return f"{getpass.getuser()}@{platform.node()}"

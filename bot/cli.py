"""The command line: `ferry demo | serve | plan | migrate | verify | jobs | show | cancel | resume | …`; `ferry --help` lists all.

It resolves names, calls the engine's verbs and turns the outcome into an exit status (design.md,
Command line). The bot and the demo are imported by the commands that need them.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import structlog
import typer
from typer.exceptions import TyperException

import engine
from bot import console, interrupted, terminal, throttles, trail, typed, under_way
from bot import settings as configuration
from bot.listing import listing
from engine.errors import FerryError, InputRejected
from engine.ledger import AuditFilter, normal_id
from engine.lifecycle import Status, is_terminal, zilliz_word
from engine.model import AutoId, OnConflict
from engine.worker import tuning

app = typer.Typer(
    cls=interrupted.Commands,
    help="Ferry moves Milvus and Zilliz Cloud databases and proves that nothing was lost.",
    epilog="Exit status: 0 done and verified · 2 refused, something must be changed · 3 mismatch found · 5 try again later · "
    "6 canceled · 7 a person must look · 130 interrupted.",
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
Conflict = Annotated[
    OnConflict,
    typer.Option(
        "--on-conflict",
        help="Where the target has a collection of that name: fail before anything is written, or replace it (delete, then copy).",
    ),
]
Keys = Annotated[
    AutoId | None,
    typer.Option(
        "--auto-id",
        help="Keys that the source made, where the target cannot both take them and make its own: keep them "
        "(auto-id off there), or let it make new ones.",
    ),
]
CheckSource = Annotated[
    bool,
    typer.Option(
        "--check-source",
        help="Read all of the source once more after the copy, to find writes that leave its counts as they were.",
    ),
]
Mismatches = Annotated[
    Path | None, typer.Option("--mismatches", help="A file for all findings: .jsonl or .csv.")
]
EntitiesPerSecond = Annotated[
    int | None,
    typer.Option(
        "--entities-per-second",
        min=1,
        max=throttles.ENTITIES_MAX,
        help="Copy no faster than this.",
    ),
]
MegabytesPerSecond = Annotated[
    float | None,
    typer.Option(
        "--megabytes-per-second",
        min=0.001,
        max=throttles.MEGABYTES_MAX,
        help="Copy no faster than this.",
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Not more.")]
MigrationId = Annotated[str, typer.Argument(metavar="ID", help="As in `ferry jobs`.")]


def main() -> None:
    """Runs a command; every failure that a person can understand ends as sentences, or with --json as one object, and a status."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    interrupted.end_as_ctrl_c()
    as_object = "--json" in sys.argv[1:]
    try:
        sys.exit(app(standalone_mode=not as_object))
    except FerryError as error:
        (console.failed_object if as_object else terminal.failure)(error)
        sys.exit(error.exit_code)
    except TyperException as error:  # only with --json; else it ends in a frame with the usage
        console.failed_object(console.misused(error))
        sys.exit(InputRejected.exit_code)
    except typer.Abort:
        sys.exit(1)


@app.command()
def plan(
    source: Source,
    target: Target,
    database: Database = "default",
    collection: Collections = None,
    on_conflict: Conflict = OnConflict.FAIL,
    auto_id: Keys = None,
    *,
    json: Json = False,
) -> None:
    """Say what a migration would do, delete and lose; writes nothing."""
    request = typed.request_of(source, target, database, collection, on_conflict, auto_id)
    made = console.surveyed(request, typed.secrets_of(request))
    blocked = console.blocked(made)
    if json:
        error = blocked and blocked.parts
        terminal.as_json(made.model_dump(mode="json") | {"hash": made.hash, "error": error})
    else:
        terminal.plan(made, blocked)
    raise typer.Exit(blocked.exit_code if blocked else 0)


@app.command()
def migrate(
    source: Source,
    target: Target,
    database: Database = "default",
    collection: Collections = None,
    on_conflict: Conflict = OnConflict.FAIL,
    auto_id: Keys = None,
    entities: EntitiesPerSecond = None,
    megabytes: MegabytesPerSecond = None,
    *,
    check_source: CheckSource = False,
    json: Json = False,
) -> None:
    """Copy a database and prove it; the same command again continues what was interrupted."""
    with console.reported(json=json) as finish:
        request = typed.request_of(source, target, database, collection, on_conflict, auto_id)
        request = request.model_copy(update={"check_source": check_source})
        secrets = typed.secrets_of(request)
        with console.open_ledger() as ledger:
            migration = ledger.unfinished(request.identity)
            if migration is not None and auto_id is not None:
                console.require_same_keys(migration, auto_id)
            if migration is not None:
                console.require_same_check(migration, check_source=check_source)
            if migration is None or console.is_void(migration, request):
                migration = console.planned(ledger, request, secrets)
            with console.about(ledger, migration, json=json):
                console.limit(ledger, migration, typed.throttle_of(entities, megabytes))
                finish(console.driven(ledger, migration, secrets))


@app.command()
def resume(migration_id: MigrationId, *, json: Json = False) -> None:
    """Continue a migration that was paused, failed, was canceled or lost its worker."""
    with console.reported(json=json) as finish, console.open_ledger() as ledger:
        migration = console.resumed(ledger, migration_id)
        with console.about(ledger, migration, json=json):
            finish(console.driven(ledger, migration, typed.secrets_of(migration.request)))


@app.command()
def repair(migration_id: MigrationId, *, json: Json = False) -> None:
    """Copy or delete just the entities that did not verify, and verify them again."""
    with console.reported(json=json) as finish, console.open_ledger() as ledger:
        migration = engine.repair(ledger, migration_id, console.operator())
        with console.about(ledger, migration, json=json):
            finish(console.driven(ledger, migration, typed.secrets_of(migration.request)))


@app.command()
def remigrate(migration_id: MigrationId, *, json: Json = False) -> None:
    """Delete on the target what a migration made and could not prove, and migrate it again from a fresh plan."""
    with console.reported(json=json) as finish, console.open_ledger() as ledger:
        old = ledger.migration(migration_id)
        with console.about(ledger, old, json=json):
            again = console.made_again(ledger, old)
        with console.about(ledger, again, json=json):
            finish(console.driven(ledger, again, typed.secrets_of(again.request)))


@app.command()
def verify(
    source: Source,
    target: Target,
    database: Database = "default",
    collection: Collections = None,
    auto_id: Keys = None,
    mismatches: Mismatches = None,
    *,
    json: Json = False,
) -> None:
    """Compare every entity of two databases as they are now, whoever copied them."""
    with console.reported(json=json) as finish:
        request = typed.request_of(source, target, database, collection, OnConflict.FAIL, auto_id)
        with listing(mismatches) as write:
            finish(console.compared(request, write))


@app.command()
def jobs(limit: Limit = 50, *, json: Json = False) -> None:
    """List the migrations, newest first."""
    with console.open_ledger() as ledger:
        migrations = ledger.migrations(limit=limit)
        total = sum(ledger.status_counts().values())
    if json:
        listed = [each.model_dump(mode="json") for each in migrations]
        terminal.as_json({"migrations": listed, "total": total})
    else:
        terminal.jobs(migrations, total)


@app.command()
def show(migration_id: MigrationId, mismatches: Mismatches = None, *, json: Json = False) -> None:
    """Show one migration: how it stands, what was found, what happened."""
    with console.open_ledger() as ledger:
        migration = ledger.migration(migration_id)
        report, again = engine.report(ledger, migration.id), engine.remigrated(ledger, migration.id)
        reached = ledger.totals(migration.id)
        events = ledger.log(migration.id)
        abandoned = migration.id in ledger.expired_leases(ledger.now())
        with listing(mismatches) as write:
            if write is not None:
                for found in engine.listed(ledger, migration.id):
                    write(found)
    if json:
        flow = under_way.flow(migration, reached, events)
        terminal.as_json(report.model_dump(mode="json") | flow)
    else:
        terminal.report(report, again)
        if migration.cleared_at is not None:  # else it never began, and nothing goes on
            terminal.goes_on(migration.id, migration.status, migration.error)
        under_way.standing(migration, reached, abandoned=abandoned)
        terminal.events(events)


@app.command()
def cancel(migration_id: MigrationId, *, json: Json = False) -> None:
    """Stop a migration between two chunks; it can be resumed. Also takes back an undo that has not begun."""
    migration, loaded = console.canceled(migration_id, json=json)
    if json:
        return
    if migration.status is Status.CANCELED:
        terminal.out.print(f"{migration.id} is canceled.")
        if migration.cleared_at is not None:
            terminal.goes_on(migration.id, migration.status)
    elif is_terminal(migration.status):
        terminal.out.print(f"{migration.id} stands as it had ended; nothing more is done.")
    else:
        terminal.out.print(f"{migration.id} stops after the chunks under way.")
    if loaded and is_terminal(migration.status):
        named = ", ".join(loaded)
        terminal.out.print(f"Still loaded, though only to be read: {named}. Release it there.")


@app.command()
def pause(migration_id: MigrationId, *, json: Json = False) -> None:
    """Let a migration rest between two chunks; `ferry resume` goes on from there."""
    migration = console.paused(migration_id, json=json)
    if json:
        return
    if migration.status is Status.PAUSED:
        terminal.out.print(
            f"{migration.id} is paused. What was copied stands on the target; the source must stay as it is."
        )
    else:
        terminal.out.print(f"{migration.id} pauses after the chunks under way.")


@app.command()
def throttle(
    migration_id: MigrationId,
    limit: Annotated[
        list[str] | None, typer.Argument(metavar=f"[{throttles.TAKES}]", help=throttles.HOW)
    ] = None,
    entities: EntitiesPerSecond = None,
    megabytes: MegabytesPerSecond = None,
    *,
    off: Annotated[bool, typer.Option("--off", help="Lift the limit.")] = False,
    json: Json = False,
) -> None:
    """Limit how fast a migration copies, also while it runs."""
    by_option = entities is not None or megabytes is not None
    if off + by_option + bool(limit) != 1:
        raise typer.BadParameter(f"{throttles.HOW} The same as options; --off lifts the limit")
    written = throttles.parsed(" ".join(limit or ()) or throttles.OFF)
    wanted = typed.throttle_of(entities, megabytes) if by_option else written
    with console.open_ledger() as ledger, ledger.transaction() as act:
        migration = act.throttle(migration_id, wanted, console.operator())
    if json:
        allowed = wanted and wanted.model_dump()
        terminal.as_json({"migration": migration.id, "throttle": allowed})
    else:
        limited = f"copies at most {wanted}" if wanted else "copies as fast as it can"
        terminal.out.print(f"{migration.id} {limited}.", markup=False)


@app.command()
def undo(
    migration_id: MigrationId,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Even if someone else wrote there since: that goes too.")
    ] = False,
    json: Json = False,
) -> None:
    """Drop from the target exactly what a migration made there, unless someone else wrote to it since."""
    with console.open_ledger() as ledger:
        migration = ledger.migration(migration_id)
        with console.about(ledger, migration, json=json):
            undone = engine.undo(
                ledger,
                migration.id,
                typed.secrets_of(migration.request),
                force=force,
                lease_seconds=tuning()["lease_seconds"],
                on_progress=under_way.waits(),
            )
    if json:
        word = zilliz_word(Status(undone.state))
        terminal.as_json(undone.model_dump(mode="json") | {"status": word})
    else:
        terminal.undone(undone, migration.request.target)


@app.command()
def audit(
    migration: Annotated[str, typer.Option("--migration", help="Only of this one.")] = "",
    actor: Annotated[str, typer.Option("--actor", help="Only by this one.")] = "",
    act: Annotated[str, typer.Option("--act", help="Only this: approve, cancel, freeze …")] = "",
    since: Annotated[datetime | None, typer.Option("--since", help="UTC, included.")] = None,
    until: Annotated[datetime | None, typer.Option("--until", help="UTC, not included.")] = None,
    *,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Hold the trail against itself.")] = False,
) -> None:
    """Who did what, in which role, with which outcome; --check finds rows that were changed, moved or removed.

    Not found without a hash kept elsewhere: a trail whose every later row was computed anew, or whose end was cut off.
    """
    if csv and (json or check):
        raise typer.BadParameter("--csv goes with neither --json nor --check")
    with console.open_ledger() as ledger:
        if check:
            trail.checked(ledger.check_audit(), json=json)
        else:
            wanted = AuditFilter(
                migration_id=normal_id(migration) if migration else "",
                actor=actor,
                act=act,
                since=since.replace(tzinfo=UTC) if since else None,
                until=until.replace(tzinfo=UTC) if until else None,
            )
            trail.listed(ledger.audit(wanted), "json" if json else "csv" if csv else "table")


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
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65_535, help="The page's port.")
    ] = None,
) -> None:
    """Start a Slack workspace on this machine, two clusters with data, and the bot."""
    from bot.demo import run  # noqa: PLC0415  # its parts are an extra

    raise typer.Exit(run(port=port, script=script))

"""What the command line shows: tables and sentences; the machine's object with --json.

Results go to standard output, everything else to standard error. Nothing is decided here.
"""

import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bot.grouping import by_note
from engine.errors import FerryError, TemporaryFailure, exit_code_of
from engine.ledger.owners import describe
from engine.lifecycle import Status, zilliz_word
from engine.model import (
    CollectionPlan,
    CollectionReport,
    Endpoint,
    ErrorText,
    Event,
    Migration,
    Outcome,
    Plan,
    Report,
    Undone,
)

_KINDS = {"missing": "+", "extra": "-", "different": "*"}
"""As rclone's check signs what is only at the source, only at the target, on both and not the same."""

_TOLD_STATES = frozenset({Status.PAUSED, Status.UNDO_ASKED, Status.UNDOING, Status.UNDONE})
"""States that the Jobs page's word alone does not tell."""

_MISMATCHED = (
    "The source was only read; do not switch over yet. `ferry repair {id}` mends just these entities and proves the result, "
    "`ferry remigrate {id}` deletes these collections on the target and copies them again, `ferry show {id} --mismatches FILE` "
    "lists all findings."
)

_GOES_ON: Final[Mapping[str, str]] = {
    Status.FAILED: "What was copied stands on the target: once that is mended, `ferry resume {id}` goes on from there.",
    Status.CANCELED: "What was copied stands on the target: `ferry resume {id}` goes on from there, `ferry undo {id}` drops it.",
    Status.QUEUED: "It waits in the queue for a worker of the bot; `ferry resume {id}` runs it here, from where it is.",
    Status.PAUSED: "`ferry resume {id}` goes on from there; the source must stay as it is until then.",
}
"""What to do with a migration that was stopped."""

IN_VAIN: Final = frozenset({Status.REJECTED, Status.EXPIRED, Status.UNDONE})
"""How a migration ended that made nothing which stands: what it was to do can be asked for anew."""
_NAMED_MAX = 8
"""How many collections a command that is advised names."""

_NUMBERS: Final = frozenset(
    {"entities", "size", "source", "target", "same", "missing", "extra", "different", "errors"}
)
_PIPE_COLUMNS = 160
"""How wide tables are where no terminal says it."""

out = Console(highlight=False, soft_wrap=True)
if not out.is_terminal:
    out.width = _PIPE_COLUMNS
err = Console(stderr=True, highlight=False, soft_wrap=True)


def as_json(value: Any) -> None:
    """Prints one object on standard output."""
    unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    print(json.dumps(value, ensure_ascii=not unicode))  # noqa: T201  # rich would wrap and colour it


def failure(error: FerryError | ErrorText) -> None:
    """Says a failure: what happened, in what state the data is, what to do now."""
    err.print(f"[red]{escape(error.message)}[/red]")
    for sentence in (error.state, error.next_step):
        if sentence:
            err.print(escape(sentence))


def plan(plan: Plan, blocked: FerryError | None) -> None:
    """Shows what would be done, and what to do about what is in the way."""
    out.print(f"{plan.request.source} → {plan.request.target}", style="bold", markup=False)
    out.print(f"{plan.entities:,} entities, about {_size(plan.bytes)}")
    table = _table("collection", "entities", "size", "partitions", "indexes", "aliases")
    for each in plan.collections:
        partitions = "by key" if each.partition_key else str(len(each.partitions))
        indexes = ", ".join(index.params.get("index_type", index.name) for index in each.indexes)
        table.add_row(
            *map(escape, (each.name, f"{each.entities:,}", _size(each.bytes), partitions, indexes)),
            escape(", ".join(each.aliases)),
        )
    print_table(table)
    _list("Will be DELETED on the target", plan.deletions)
    _list("Not carried", plan.all_losses)
    _list("Notes", _said(plan.collections))
    _list("In the way", plan.conflicts)
    if blocked is not None:
        out.print(blocked.next_step, markup=False)


def deletions(plan: Plan) -> None:
    """Says on standard error what will be deleted on the target before the copy."""
    for each in plan.deletions:
        err.print(
            f"[red]Will be DELETED on {escape(str(plan.request.target))}: {escape(each)}[/red]"
        )


def report(report: Report, again: Migration | None = None) -> None:
    """Shows how a migration or a verification ended, and what to do; `again` is what was asked for to migrate it again."""
    style = "green" if report.status == Outcome.SUCCESSFUL else "red"
    state = f" ({report.state})" if report.state in _TOLD_STATES else ""
    head = f"[bold {style}]{escape(str(report.status))}[/]{state}"
    copied = f"{report.entities:,} entities"
    if report.seconds:  # none while it has not ended
        copied += f" in {report.seconds:,.1f} s"
    if report.entities_per_second:
        copied += f", copied at {report.entities_per_second:,.0f} entities/s"
    out.print(f"{head}  {escape(report.migration or '')}  {copied}")
    kinds = ("same", "missing", "extra", "different", "errors")
    table = _table("collection", "source", "target", *kinds, "verified")
    for each in report.collections:
        target = "–" if each.target_entities is None else f"{each.target_entities:,}"
        counts = (f"{getattr(each, kind):,}" for kind in kinds)
        verdict = "[green]yes[/]" if each.verified else "[red]no[/]"
        table.add_row(escape(each.name), f"{each.source_entities:,}", target, *counts, verdict)
    print_table(table)
    for note in _said(report.collections):
        out.print(f"  {note}", markup=False)
    for each in report.collections:
        _findings(each)
    if report.status == Outcome.MISMATCHED:
        out.print(" ".join(_advice(report, again)), markup=False)
    if report.error:
        failure(report.error)


def _advice(report: Report, again: Migration | None) -> Iterable[str]:
    """What to do about a mismatch."""
    if report.migration is None:
        return _unlike(report)
    if again is None or again.status in IN_VAIN:
        return (_MISMATCHED.format(id=report.migration),)
    stands = f"which stands as {zilliz_word(again.status)}: `ferry show {again.id}` shows it."
    return (f"What is not proved of it was migrated again as {again.id}, {stands}",)


def _unlike(report: Report) -> Iterator[str]:
    """What to do where a verification of two databases found a difference: by what is the matter with each collection."""
    left = [each for each in report.collections if not each.verified]
    absent = [each.name for each in left if each.absent]
    unread = [each.name for each in left if each.errors and not _found(each)]
    other = [each.name for each in left if each.name not in {*absent, *unread}]
    yield "Both sides were only read. `--mismatches FILE` lists all findings."
    if absent:
        yield f"`ferry migrate SOURCE TARGET {_chosen(absent)}` copies what is not on the target."
    if other:
        replaces = f"`ferry migrate SOURCE TARGET --on-conflict replace {_chosen(other)}`"
        yield f"{replaces} deletes what differs on the target and copies it again."
    if unread:
        yield f"Verify {', '.join(unread)} again once what its notes say is mended."


def _chosen(names: Sequence[str]) -> str:
    named = " ".join(f"--collection {shlex.quote(name)}" for name in names[:_NAMED_MAX])
    return named + (" …" if len(names) > _NAMED_MAX else "")


def _found(collection: CollectionReport) -> int:
    return collection.missing + collection.extra + collection.different


def goes_on(migration_id: str | None, state: str, error: ErrorText | None = None) -> None:
    """Says what to do with a migration that was stopped after it was allowed to run, or failed for a time."""
    passing = error is not None and exit_code_of(error.code) == TemporaryFailure.exit_code
    if state in _GOES_ON and (passing or state != Status.FAILED):
        out.print(_GOES_ON[state].format(id=migration_id), markup=False)


def undone(undone: Undone, target: Endpoint) -> None:
    """Shows what an undo dropped."""
    out.print(f"{undone.migration} is undone on {target}.", markup=False)
    database = (f"the database “{target.database}”",) if undone.database_dropped else ()
    _list("Dropped", (*undone.dropped, *database))
    _list("Not there any more", undone.gone)
    _list("Left, because others made it", undone.left)
    if undone.database_left:
        out.print(f"The database “{target.database}” is left: {undone.database_left}", markup=False)


def jobs(migrations: Sequence[Migration], total: int) -> None:
    """Lists migrations, newest first, as the Jobs page does; and says how many there are where these are not all."""
    table = _table(
        "id", "status", "source → target", "entities", "start (UTC)", "end (UTC)", "created by"
    )
    for each in migrations:
        entities = f"{each.plan.entities:,}" if each.plan else "–"
        cells = (
            each.id,
            _status(each.status),
            f"{each.request.source} → {each.request.target}",
            entities,
            _moment(each.started_at),
            _moment(each.ended_at),
            each.requester,
        )
        table.add_row(*map(escape, cells))
    print_table(table)
    if total > len(migrations):
        more = (
            f"The newest {len(migrations):,} of {total:,}; `ferry jobs --limit {total}` lists all."
        )
        err.print(more, markup=False)


def events(events: Iterable[Event]) -> None:
    """Lists what happened to a migration, oldest first."""
    table = _table("when (UTC)", "what", "who", "details")
    for each in events:
        details = ", ".join(f"{key}={_detail(value)}" for key, value in each.details.items())
        table.add_row(*map(escape, (_moment(each.at), each.name, describe(each.actor), details)))
    print_table(table)


def _detail(value: Any) -> Any:
    """What is said of a failure stands for the whole of it; --json has its other parts."""
    return value.get("message", value) if isinstance(value, dict) else value


def _status(status: Status) -> str:
    if status is Status.UNDONE:
        return (
            "UNDONE"  # Zilliz Cloud has no word for it, and CANCELED reads as if the undo had been
        )
    word = zilliz_word(status)
    return f"{word} ({status})" if status in _TOLD_STATES else word


def _said(collections: Iterable[CollectionPlan] | Iterable[CollectionReport]) -> Iterator[str]:
    """What is said of collections, once where it is the same of several."""
    notes = ((each.name, note) for each in collections for note in each.notes)
    return (f"{', '.join(names)}: {note}" for names, note in by_note(notes))


def _findings(collection: CollectionReport) -> None:
    for each in collection.examples:
        where = f" in {each.partition}" if each.partition not in {"", "_default"} else ""
        fields = f" ({', '.join(each.fields)})" if each.fields else ""
        sigil = _KINDS[each.kind]
        reason = f" ({each.reason})" if each.reason else ""
        line = f"  {sigil} {collection.name}{where}: {each.pk!r} is {each.kind}{fields}{reason}"
        out.print(line, markup=False)
    found = _found(collection)
    if found > len(collection.examples):
        out.print(f"  … {found:,} in all", markup=False)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        number = column in _NUMBERS
        table.add_column(column, justify="right" if number else "left")
    return table


def print_table(table: Table) -> None:
    """Prints a table in which no name, number or word is cut: a line that is too long for the terminal goes on below."""
    for column in table.columns:
        cells = [Text.from_markup(str(each)).plain for each in (column.header, *column.cells)]
        words = [word for cell in cells for word in cell.split()]
        column.min_width = max(map(cell_len, words), default=0)
    out.print(table)


def _list(title: str, sentences: Iterable[str]) -> None:
    lines = [f"  · {sentence}" for sentence in sentences]
    if lines:
        out.print(f"{title}:", style="bold")
        out.print("\n".join(lines), markup=False)


def _moment(at: Any) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else "–"


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004  # decimal units
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"

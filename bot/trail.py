"""How `ferry audit` shows the trail: as a table, as JSON, as CSV; and what a check of it has found. It decides nothing."""

import csv
import sys
from collections.abc import Iterable
from datetime import UTC
from typing import Final, Literal

import typer
from rich.markup import escape
from rich.table import Table

from bot import terminal
from engine.errors import NeedsPerson
from engine.ledger import AuditCheck, AuditEntry

Form = Literal["table", "json", "csv"]

PROBLEMS_SHOWN: Final = 20


def listed(entries: Iterable[AuditEntry], form: Form) -> None:
    """Print the rows: one JSON object, CSV with a heading, or a table with what a person needs of each."""
    if form == "json":
        terminal.as_json({"audit": [entry.model_dump(mode="json") for entry in entries]})
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, list(AuditEntry.model_fields))
        writer.writeheader()
        for entry in entries:
            writer.writerow(entry.model_dump(mode="json"))
    else:
        terminal.print_table(_table(entries))


def checked(check: AuditCheck, *, json: bool) -> None:
    """Print what a check has found; exits 7 when something is wrong."""
    if json:
        terminal.as_json(check._asdict())
    elif not check.problems:
        head = (
            f"The last row's hash is {check.head}. Keep it where nobody who owns this database can write: "
            "a trail that was written anew as a whole, or cut short, shows only against it."
        )
        terminal.out.print(f"{check.rows:,} rows, each as it was written. {head}")
    else:
        for problem in check.problems[:PROBLEMS_SHOWN]:
            terminal.err.print(escape(problem))
        terminal.failure(
            NeedsPerson(
                f"The audit trail was changed behind Ferry's back: {len(check.problems):,} findings in {check.rows:,} rows.",
                state="Nothing was repaired; the migrations themselves are not touched by this.",
                next_step="Compare with a backup of the ledger, and find out who can write to its database.",
            )
        )
    if check.problems:
        raise typer.Exit(NeedsPerson.exit_code)


def _table(entries: Iterable[AuditEntry]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("#", "when (UTC)", "who", "role", "act", "migration", "plan", "outcome"):
        table.add_column(column, justify="right" if column == "#" else "left")
    for entry in entries:
        cells = (
            str(entry.number),
            f"{entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            entry.actor,
            entry.role,
            entry.act,
            entry.migration_id,
            entry.plan_hash[:12],
            entry.outcome,
        )
        table.add_row(*map(escape, cells))
    return table

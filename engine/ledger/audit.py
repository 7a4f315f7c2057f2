r"""The audit trail: who did what in which role and with which outcome, each row with the hash of the one before.

It is appended in the transaction of what it records: every change of state, what people did that changed none, refusals. Rows
follow one another under a lock on the trail's head, however many processes write; the database refuses to change or delete them.
Whoever does so all the same (as the database's owner) and leaves the rest as it was is found by `check_audit`: a row's hash covers
its content, its number and the hash before it.

    hash = sha256 of the row as JSON: keys sorted, no blanks, \u escapes; `at` in UTC with microseconds; `details` as its own text

The hash has no key. So the chain alone does not show that its owner computed every row after a changed one anew, nor that its end
was cut off together with its head. Both show where a row's number and hash were kept elsewhere (`ferry audit --check` prints the
last row's, `ferry audit --json` every row's) and are compared.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from pydantic import AwareDatetime
from sqlalchemy import bindparam, insert, update
from sqlmodel import Session, col, select

from engine.ledger.database import Database
from engine.ledger.tables import AuditHeadRow, AuditRow, EventRow
from engine.model import Details
from engine.model.base import Record

FIRST: Final = "0" * 64
"""What the first row names as the hash before it."""

PLAN_RECORDED: Final = "plan_recorded"
_HEAD: Final = 1
_PAGE: Final = 1000

_LOCKED_HEAD = select(AuditHeadRow).with_for_update().execution_options(populate_existing=True)
_APPEND = insert(AuditRow)
_MOVE_HEAD = update(AuditHeadRow).where(col(AuditHeadRow.id) == _HEAD)
_PLAN_OF = (
    select(EventRow.details)
    .where(col(EventRow.migration_id) == bindparam("of"), col(EventRow.name) == PLAN_RECORDED)
    .order_by(col(EventRow.id).desc())
    .limit(1)
)


class AuditEntry(Record):
    """A row of the trail.

    Attributes:
        number: From 1, without gaps.
        actor: A Slack user id, `user@host`, a worker's name, or "ferry" for what nobody did.
        role: In which role, at that moment; "" where no role was asked for.
        act: What was done or tried, e.g. "approve".
        migration_id: "" for what belongs to no migration.
        plan_hash: The plan that it was about; "" before there is one.
        outcome: The state after it, "noted", or "refused: " and the reason.
        details: JSON text.
        previous: The hash of the row before.
        hash: The hash of this row.
    """

    number: int
    at: AwareDatetime
    actor: str
    role: str = ""
    act: str
    migration_id: str = ""
    plan_hash: str = ""
    outcome: str
    details: str = "{}"
    previous: str
    hash: str


class AuditFilter(NamedTuple):
    """What to list; "" and None mean everything. `since` is included, `until` is not; both are aware."""

    migration_id: str = ""
    actor: str = ""
    act: str = ""
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING: Final = AuditFilter()


class AuditCheck(NamedTuple):
    """What a check of the whole trail has found: how many rows there are, the last hash, and what is wrong, for people."""

    rows: int
    head: str
    problems: tuple[str, ...]


def row_hash(values: dict[str, Any]) -> str:
    """The hash of a row's values, all but its own hash."""
    covered = {name: value for name, value in values.items() if name != "hash"}
    covered["at"] = covered["at"].astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def append(
    session: Session,
    *,
    at: datetime,
    actor: str,
    act: str,
    outcome: str,
    migration_id: str = "",
    details: Details | None = None,
) -> None:
    """Append a row in the caller's transaction; role and plan are taken from the details where they name them."""
    carried = dict(details or {})
    role, plan_hash = carried.pop("role", ""), carried.pop("plan_hash", "")
    head = session.exec(_LOCKED_HEAD).one()
    values: dict[str, Any] = {
        "number": head.number + 1,
        "at": at,
        "actor": actor,
        "role": str(role),
        "act": act,
        "migration_id": migration_id,
        "plan_hash": str(plan_hash or _plan_hash(session, migration_id)),
        "outcome": outcome,
        "details": json.dumps(carried, sort_keys=True, separators=(",", ":")),
        "previous": head.hash,
    }
    values["hash"] = row_hash(values)
    connection = session.connection()
    connection.execute(_APPEND, values)
    connection.execute(_MOVE_HEAD, {name: values[name] for name in ("number", "hash")})


def _plan_hash(session: Session, migration_id: str) -> str:
    """The hash of the migration's plan, from the event that recorded it: plans can be megabytes."""
    if not migration_id:
        return ""
    found = session.exec(_PLAN_OF, params={"of": migration_id}).first()
    return str(json.loads(found).get("hash", "")) if found else ""


class Audits(Database):
    """The ledger's methods that read the trail."""

    def audit(self, wanted: AuditFilter = EVERYTHING) -> Iterator[AuditEntry]:
        """The rows that fit, oldest first, read page by page."""
        conditions = [
            column == value
            for column, value in (
                (col(AuditRow.migration_id), wanted.migration_id),
                (col(AuditRow.actor), wanted.actor),
                (col(AuditRow.act), wanted.act),
            )
            if value
        ]
        if wanted.since is not None:
            conditions.append(col(AuditRow.at) >= wanted.since)
        if wanted.until is not None:
            conditions.append(col(AuditRow.at) < wanted.until)
        last = 0
        while True:
            query = (
                select(AuditRow)
                .where(col(AuditRow.number) > last, *conditions)
                .order_by(col(AuditRow.number))
                .limit(_PAGE)
            )
            with self._read() as session:
                page = [AuditEntry(**row.model_dump()) for row in session.exec(query)]
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1].number

    def check_audit(self) -> AuditCheck:
        """Hold every row against its hash and the row before it, and the last against the head."""
        with self._read() as session:
            head = session.exec(select(AuditHeadRow)).one()
        problems: list[str] = []
        number, previous, rows = 0, FIRST, 0
        for entry in self.audit():
            if entry.number > head.number:
                break  # appended while we look
            problems += _wrong(entry, number, previous)
            number, previous, rows = entry.number, entry.hash, rows + 1
        if number < head.number:
            problems.append(_missing(number + 1, head.number))
        elif previous != head.hash:
            problems.append(f"The last row, {number}, is not the one that was written last.")
        return AuditCheck(rows, head.hash, tuple(problems))


def _wrong(entry: AuditEntry, number: int, previous: str) -> Iterator[str]:
    if entry.number != number + 1:
        yield _missing(number + 1, entry.number - 1)
    elif entry.previous != previous:
        yield f"Row {entry.number} does not follow the row before it: one of them was exchanged or moved."
    if row_hash(entry.model_dump()) != entry.hash:
        yield f"Row {entry.number} is not as it was written."


def _missing(first: int, last: int) -> str:
    return f"Row {first} is missing." if first == last else f"Rows {first} to {last} are missing."

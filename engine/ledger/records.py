"""Rows to records and back: pure, and the only place where the ledger's JSON texts are written and read.

Primary keys are JSON texts: an int stays an int, and a string keeps NUL, quotes and newlines, which PostgreSQL's own text would
refuse. Nothing here reads a database.
"""

import json
from functools import lru_cache
from typing import Any, Final

from engine.errors import LedgerIncompatible
from engine.ledger.tables import ChunkRow, CollectionRow, EventRow, MigrationRow, MismatchRow
from engine.model import (
    PLAN_VERSION,
    Chunk,
    ChunkRange,
    CollectionReport,
    CollectionState,
    ErrorText,
    Event,
    Migration,
    Mismatch,
    Plan,
    PrimaryKey,
    Reason,
    Receipt,
    Record,
    Request,
    Throttle,
)

PLANS_KEPT: Final = 8
"""Plans that are not read anew each time: one of 5,000 collections takes a quarter of a second, and every message asks for it."""
_MISTAKEN: Final = str.maketrans("OIL", "011")


class RecordedMismatch(Record):
    """A mismatch with its place in the ledger; `id` is what the next page starts after."""

    id: int
    collection: str
    chunk_id: int
    mismatch: Mismatch


def normal_id(text: str) -> str:
    """A migration's id as people type it ("m-4k7qx2f", "4K7QX2F", an O for a zero), in the form in which it is stored."""
    return "M-" + text.strip().upper().removeprefix("M-").translate(_MISTAKEN)


def key_text(key: PrimaryKey) -> str:
    """A primary key as JSON in ASCII."""
    return json.dumps(key)


def key_of(text: str) -> PrimaryKey:
    """The primary key that `key_text` wrote."""
    key = json.loads(text)
    assert isinstance(key, int | str), f"not a primary key: {text}"  # noqa: S101  # a pair of key_text
    return key


def json_text(value: Any) -> str:
    """JSON values as text in ASCII; raises TypeError for anything else."""
    return json.dumps(value, separators=(",", ":"))


def plan_of(text: str | None) -> Plan | None:
    """The stored plan.

    Raises:
        LedgerIncompatible: It was written by a version of Ferry with another format.
    """
    return None if text is None else _plan_of(text)


@lru_cache(PLANS_KEPT)
def _plan_of(text: str) -> Plan:
    version = json.loads(text).get("version")
    if version != PLAN_VERSION:
        raise LedgerIncompatible(
            f"The plan is stored in format {version}, and this version of Ferry reads format {PLAN_VERSION}.",
            state="Nothing was changed; what was copied so far is kept.",
            next_step="Finish the migration with the version of Ferry that planned it, or cancel it and ask for a new one.",
        )
    return Plan.model_validate_json(text)


def listed_plan_of(text: str | None) -> Plan | None:
    """The stored plan for a list: one of another format is left out, so that it does not hide all the others."""
    try:
        return plan_of(text)
    except LedgerIncompatible:
        return None


def migration_of(row: MigrationRow, *, listed: bool = False, planless: bool = False) -> Migration:
    """A migration's row as a record.

    Args:
        row: The row.
        listed: A plan of another format is left out.
        planless: Every plan is left out, and not read.

    Raises:
        LedgerIncompatible: Its plan has another format.
    """
    taken = {"request", "plan", "error", "throttle"}
    plain = {name: getattr(row, name) for name in Migration.model_fields if name not in taken}
    of_text = listed_plan_of if listed else plan_of
    return Migration(
        **plain,
        request=Request.model_validate_json(row.request),
        plan=None if planless else of_text(row.plan),
        error=None if row.error is None else ErrorText.model_validate_json(row.error),
        throttle=throttle_of(row.throttle),
    )


def throttle_of(text: str | None) -> Throttle | None:
    """The stored throttle."""
    return None if text is None else Throttle.model_validate_json(text)


def collection_of(row: CollectionRow) -> CollectionState:
    """A collection's row as a record."""
    plain = {name: getattr(row, name) for name in CollectionState.model_fields if name != "report"}
    report = None if row.report is None else CollectionReport.model_validate_json(row.report)
    return CollectionState(**plain, report=report)


def collection_values(changes: dict[str, Any]) -> dict[str, Any]:
    """Fields of `CollectionState` as columns; raises TypeError or ValueError for what it does not have."""
    unknown = changes.keys() - (CollectionState.model_fields.keys() - {"name"})
    if unknown:
        raise TypeError(f"a collection has no {', '.join(sorted(unknown))}")
    checked = CollectionState(name="", **changes)
    values = {name: getattr(checked, name) for name in changes}
    if checked.report is not None:
        values["report"] = checked.report.model_dump_json()
    return values


def chunk_of(row: ChunkRow) -> Chunk:
    """A chunk's row as a record."""
    assert row.id is not None  # noqa: S101  # it was read
    return Chunk(
        id=row.id,
        range=ChunkRange(
            collection=row.collection,
            partition=row.partition,
            ordinal=row.ordinal,
            lower=None if row.lower is None else key_of(row.lower),
            upper=None if row.upper is None else key_of(row.upper),
            entities=row.entities,
        ),
        attempted=row.attempted,
        receipt=_receipt_of(row),
        verified=row.verified,
        doubted=row.doubted,
    )


def chunk_values(migration_id: str, chunk: ChunkRange) -> dict[str, Any]:
    """A planned range as a row to insert."""
    return {
        "migration_id": migration_id,
        "collection": chunk.collection,
        "partition": chunk.partition,
        "ordinal": chunk.ordinal,
        "lower": None if chunk.lower is None else key_text(chunk.lower),
        "upper": None if chunk.upper is None else key_text(chunk.upper),
        "entities": chunk.entities,
        "attempted": False,
    }


def mismatch_of(row: MismatchRow) -> RecordedMismatch:
    """A mismatch's row as a record."""
    assert row.id is not None  # noqa: S101  # it was read
    found = Mismatch(
        partition=row.partition,
        pk=key_of(row.pk),
        kind=row.kind,
        fields=tuple(json.loads(row.fields)),
        reason=Reason(row.reason) if row.reason else None,
    )
    return RecordedMismatch(
        id=row.id, collection=row.collection, chunk_id=row.chunk_id, mismatch=found
    )


def event_of(row: EventRow) -> Event:
    """An event's row as a record."""
    plain = {name: getattr(row, name) for name in Event.model_fields if name != "details"}
    return Event(**plain, details=json.loads(row.details))


def _receipt_of(row: ChunkRow) -> Receipt | None:
    if row.copied_entities is None or row.copied_bytes is None or row.digest is None:
        return None
    return Receipt(entities=row.copied_entities, bytes=row.copied_bytes, digest=row.digest)

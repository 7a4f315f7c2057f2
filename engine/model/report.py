"""What became of a migration or a verification: mismatches, reports, the one object that `--json` prints."""

from enum import StrEnum
from typing import ClassVar, Self

from engine.model.base import PrimaryKey, Record
from engine.model.chunk import ChunkRange

EXAMPLES_MAX = 20
"""How many mismatches a report shows per collection; the whole list is in the ledger."""


class MismatchKind(StrEnum):
    """How an entity on the target differs from the source."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"


class Reason(StrEnum):
    """What more is known of an extra entity."""

    DOUBLED = "doubled"
    """Its key is on the target more often than on the source."""
    PARTITION = "partition"
    """It is in a partition that the source does not have."""


class Mismatch(Record):
    """One entity that is not the same on both sides; `fields` names what differs (kind "different")."""

    partition: str
    pk: PrimaryKey
    kind: MismatchKind
    fields: tuple[str, ...] = ()
    reason: Reason | None = None


class Found(Record):
    """One line of the whole list of what was found.

    Attributes:
        kind: A `MismatchKind`, or "error" for a range of keys that could not be compared.
        pk: None for an error.
        reason: For an error a sentence, else as in `Mismatch`, "" where there is none.
        lower: Of an error's range, exclusive; None reaches down to the first key.
        upper: Of an error's range, inclusive; None reaches up to the last key.
    """

    ERROR: ClassVar[str] = "error"

    collection: str
    partition: str
    pk: PrimaryKey | None
    kind: str
    fields: tuple[str, ...] = ()
    reason: str = ""
    lower: PrimaryKey | None = None
    upper: PrimaryKey | None = None

    @classmethod
    def of_mismatch(cls, collection: str, mismatch: Mismatch) -> Self:
        """The line of one entity."""
        return cls(
            collection=collection,
            partition=mismatch.partition,
            pk=mismatch.pk,
            kind=mismatch.kind,
            fields=mismatch.fields,
            reason=mismatch.reason or "",
        )

    @classmethod
    def of_error(cls, place: ChunkRange, reason: str) -> Self:
        """The line of a range of keys that could not be compared."""
        return cls(
            collection=place.collection,
            partition=place.partition,
            pk=None,
            kind=cls.ERROR,
            reason=reason,
            lower=place.lower,
            upper=place.upper,
        )


class SearchComparison(Record):
    """What the same searches find on both sides, for one vector field.

    Attributes:
        queries: How many vectors or texts of the source were searched for.
        top_k: How many nearest entities were asked for each.
        overlap: The share of the source's hits that the target finds too, 0 … 1; ties count as found.
        exact: Whether the index was asked in a way that leaves nothing out.
        by_text: Whether it is a field that a BM25 function makes, searched by texts.
        reason: Why it was not compared, a sentence; "" where it was.
    """

    field: str
    index_type: str
    queries: int
    top_k: int
    overlap: float = 0.0
    exact: bool = False
    by_text: bool = False
    reason: str = ""


class CollectionReport(Record):
    """What became of one collection; `examples` holds the first mismatches, the counts hold all of them.

    Attributes:
        same: Entities of the source that are the same on the target.
        errors: Entities of the source in ranges of keys that could not be compared; a note says why.
        searches: What searches find on both sides, once all else is proved; it changes no verdict.
        source_checked: Entities of the source that were read again after the copy, to find writes that no count shows.
        source_ranges: Where not all of it was: which ranges of keys these are in, by their place among its chunks, from 0.
        absent: Whether the target has no collection of that name.
    """

    name: str
    source_entities: int
    target_entities: int | None = None
    verified: bool = False
    missing: int = 0
    extra: int = 0
    different: int = 0
    same: int = 0
    errors: int = 0
    source_checked: int = 0
    source_ranges: tuple[int, ...] = ()
    examples: tuple[Mismatch, ...] = ()
    searches: tuple[SearchComparison, ...] = ()
    notes: tuple[str, ...] = ()
    absent: bool = False


class Outcome(StrEnum):
    """How a migration or a verification ended, in the words of the command line's JSON."""

    SUCCESSFUL = "SUCCESSFUL"
    MISMATCHED = "MISMATCHED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class ErrorText(Record):
    """A failure as people and programs read it (`errors.FerryError`)."""

    code: str
    message: str
    state: str = ""
    next_step: str = ""


class Report(Record):
    """The one object that `--json` prints (`design.md`, Command line).

    `entities`, `bytes` and `entities_per_second` are the copy's, `seconds` is the whole run's. `status` is a word of Zilliz Cloud's
    Jobs page; `state` says more exactly where a migration stands (`lifecycle.Status`): "paused" is IN PROGRESS there.
    """

    migration: str | None
    status: Outcome | str
    state: str = ""
    seconds: float = 0.0
    entities: int = 0
    bytes: int = 0
    entities_per_second: float = 0.0
    collections: tuple[CollectionReport, ...] = ()
    losses: tuple[str, ...] = ()
    error: ErrorText | None = None


class Undone(Record):
    """What became of the collections that a migration had made, by name; `--json` prints it.

    Attributes:
        gone: They were not there any more.
        left: Others stand there under their names, which this migration did not make.
        database_left: Why the database stands still although this migration made it, the end of a sentence; "" where it does not.
    """

    migration: str
    state: str
    dropped: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    database_dropped: bool = False
    database_left: str = ""

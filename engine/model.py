"""What the engine's parts hand to each other: frozen records, no behaviour beyond what they can say of themselves.

They are pydantic models, so that the ledger stores them as JSON and reads back the same values.
Nothing here talks to a server, to the ledger or to Slack.
"""

import hashlib
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict

from engine.lifecycle import Status

PrimaryKey: TypeAlias = int | str
"""An INT64 or a VARCHAR primary key; the collection's schema says which."""

PLAN_VERSION: Literal[1] = 1

EXAMPLES_MAX = 20
"""How many mismatches a report shows per collection; the whole list is in the ledger."""

Details: TypeAlias = dict[str, Any]
"""What an event carries beside its name: JSON values only."""


class Record(BaseModel):
    """The base of all records: frozen, strict about unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Secrets(NamedTuple):
    """The tokens of source and target; never stored, never printed."""

    source: str = ""
    target: str = ""

    def __repr__(self) -> str:
        return "Secrets(…)"


class Endpoint(Record):
    """One database of one cluster, without its secret.

    Attributes:
        name: How people call the cluster (a name from configuration, or the URI itself).
        uri: `http(s)://host:port`, or the path of a Milvus Lite `.db`.
        database: The database's name; "default" on clusters that have only one.
    """

    name: str
    uri: str
    database: str = "default"

    def __str__(self) -> str:
        return f"{self.name}/{self.database}"


class OnConflict(StrEnum):
    """What to do when the target already holds a collection of that name."""

    FAIL = "fail"
    REPLACE = "replace"


class Request(Record):
    """What someone asked for. Two requests with equal `identity` are the same migration.

    Attributes:
        collections: The chosen collections, sorted; empty means all of the source database.
        on_conflict: Whether a collection on the target that is in the way stops the migration or is dropped.
    """

    source: Endpoint
    target: Endpoint
    collections: tuple[str, ...] = ()
    on_conflict: OnConflict = OnConflict.FAIL

    @property
    def identity(self) -> str:
        """A digest of source, target and selection: what a second start looks for in the ledger."""
        places = (self.source.uri, self.source.database, self.target.uri, self.target.database)
        parts = (*places, *sorted(self.collections))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class IndexDefinition(Record):
    """An index as `describe_index` tells it: its name, its field, and its parameters as text."""

    name: str
    field: str
    params: dict[str, str]


class PartitionPlan(Record):
    """A named partition and its exact entity count (`count(*)`, Strong)."""

    name: str
    entities: int


class CollectionPlan(Record):
    """A source collection as it was surveyed.

    Attributes:
        definition: The serialised `CollectionSchema` (protobuf) in base64: the whole schema, nothing enumerated by hand.
        fields: `name: type` of each field as text, for people.
        primary_field: The primary key's field name.
        primary_type: "INT64" or "VARCHAR".
        auto_id: Whether the source makes the keys itself.
        entities: Exact count of the source (`count(*)`, Strong), duplicates included.
        bytes: Estimated size of all entities on the wire.
        partitions: Named partitions; with a partition key the one entry has the name "" and stands for all of them.
        partition_key: Whether the partitions are the server's own (partition key), so that none is named in reads and writes.
        loaded: Whether the collection was loaded when it was surveyed.
        conflict: What stands in the way, with what can be done about it; None when nothing does.
        losses: What of this collection will not be carried, one sentence each.
        notes: What else the reader should know, one sentence each.
    """

    name: str
    definition: str
    fields: tuple[str, ...]
    primary_field: str
    primary_type: Literal["INT64", "VARCHAR"]
    auto_id: bool
    entities: int
    bytes: int
    partitions: tuple[PartitionPlan, ...]
    partition_key: bool
    num_partitions: int
    shards: int
    consistency_level: str
    properties: dict[str, str]
    indexes: tuple[IndexDefinition, ...]
    aliases: tuple[str, ...]
    loaded: bool
    conflict: str | None = None
    losses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Plan(Record):
    """What will be done and what will be lost, before anything is written."""

    version: Literal[1] = PLAN_VERSION
    request: Request
    source_version: str
    target_version: str
    collections: tuple[CollectionPlan, ...]
    losses: tuple[str, ...] = ()

    @property
    def entities(self) -> int:
        """Entities of all collections."""
        return sum(collection.entities for collection in self.collections)

    @property
    def bytes(self) -> int:
        """Estimated bytes of all collections."""
        return sum(collection.bytes for collection in self.collections)

    @property
    def conflicts(self) -> tuple[str, ...]:
        """What stands in the way, one sentence each."""
        return tuple(c.conflict for c in self.collections if c.conflict)

    @property
    def all_losses(self) -> tuple[str, ...]:
        """Losses of the whole migration and of each collection, the latter with their names."""
        named = (f"{c.name}: {loss}" for c in self.collections for loss in c.losses)
        return (*self.losses, *named)

    @property
    def hash(self) -> str:
        """A digest of everything the plan says: an approval binds to it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class ChunkRange(Record):
    """One stored primary-key range of one partition of one collection: `lower < pk <= upper`.

    Attributes:
        partition: The partition's name; "" means the whole collection.
        ordinal: Its place among the collection's chunks, from 0.
        lower: Exclusive bound; None reaches down to the first key.
        upper: Inclusive bound; None reaches up to the last key.
        entities: How many keys the planner saw in the range.
    """

    collection: str
    partition: str
    ordinal: int
    lower: PrimaryKey | None
    upper: PrimaryKey | None
    entities: int


class Receipt(Record):
    """What a copied chunk leaves in the ledger.

    Attributes:
        entities: Entities read and written.
        bytes: Bytes of the columns as they went over the wire.
        digest: The content digest, 32 hexadecimal digits (`engine/digest.py`).
    """

    entities: int
    bytes: int
    digest: str


class Chunk(Record):
    """A chunk as the ledger holds it: its range and, once it is copied, its receipt.

    `attempted` is True from the moment before the first write: a chunk with `attempted` and no receipt is in doubt and is upserted.
    """

    id: int
    range: ChunkRange
    attempted: bool = False
    receipt: Receipt | None = None
    verified: bool | None = None


class MismatchKind(StrEnum):
    """How an entity on the target differs from the source."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"


class Mismatch(Record):
    """One entity that is not the same on both sides; `fields` names what differs (kind "different")."""

    partition: str
    pk: PrimaryKey
    kind: MismatchKind
    fields: tuple[str, ...] = ()


class CollectionReport(Record):
    """What became of one collection; `examples` holds the first mismatches, the counts hold all of them."""

    name: str
    source_entities: int
    target_entities: int | None = None
    verified: bool = False
    missing: int = 0
    extra: int = 0
    different: int = 0
    examples: tuple[Mismatch, ...] = ()
    notes: tuple[str, ...] = ()


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

    `entities`, `bytes` and `entities_per_second` are the copy's, `seconds` is the whole run's.
    """

    migration: str | None
    status: Outcome | str
    seconds: float = 0.0
    entities: int = 0
    bytes: int = 0
    entities_per_second: float = 0.0
    collections: tuple[CollectionReport, ...] = ()
    losses: tuple[str, ...] = ()
    error: ErrorText | None = None


class CollectionProgress(Record):
    """How far one collection has come."""

    name: str
    entities: int
    copied: int = 0
    verified: int = 0
    phase: str = "waiting"


class Progress(Record):
    """How far a migration has come, projected from the ledger.

    Attributes:
        entities: Entities to copy, as planned.
        copied: Entities with a receipt.
        verified: Entities in verified chunks.
        bytes: Bytes with a receipt.
        seconds: Time spent copying so far.
    """

    phase: str
    entities: int
    copied: int
    verified: int
    bytes: int
    seconds: float
    collections: tuple[CollectionProgress, ...] = ()


class Migration(Record):
    """A migration as the ledger holds it: one request and everything that happened to it.

    Attributes:
        id: Short and typed by people, e.g. "M-4K7QX2F".
        requester: Who asked: a Slack user id, or `user@host` on the command line.
        due_at: When it may start; None means at once.
        cleared_at: When it was first allowed to run (approved, or queued by an operator); without it nothing resumes.
        attempts: How many workers have claimed it since the last resume and did not hand it back.
        lease_token: The fencing token; it grows with every claim and every rescue.
        collections: What is known of each collection so far.
        error: The failure it ended with, or that made it wait.
    """

    id: str
    request: Request
    status: Status
    phase: str = ""
    requester: str
    reason: str = ""
    plan: Plan | None = None
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    due_at: AwareDatetime | None = None
    cleared_at: AwareDatetime | None = None
    cancel_requested_at: AwareDatetime | None = None
    cancel_requested_by: str | None = None
    attempts: int = 0
    lease_owner: str | None = None
    lease_token: int = 0
    lease_expires_at: AwareDatetime | None = None
    error: ErrorText | None = None


class CollectionState(Record):
    """What the ledger knows of one collection of a migration.

    Attributes:
        phase: waiting, created, copied, loaded, verified or done.
        target_id: The target's own id of the collection that this migration made: the mark of ownership.
        source_was_loaded: Its load state before the migration touched it; False means it is released again.
        read_timestamp: The read point (`AllocTimestamp`) of all its pages; 0 where the server has none.
        copy_seconds: Time spent copying, over all attempts.
    """

    name: str
    phase: str = "waiting"
    target_id: int | None = None
    source_was_loaded: bool | None = None
    read_timestamp: int = 0
    copy_seconds: float = 0.0
    report: CollectionReport | None = None


class Lease(Record):
    """The right to write for one migration until another worker takes it over."""

    migration_id: str
    token: int
    owner: str


class Event(Record):
    """Something that happened to a migration, in order; `id` grows over the whole ledger."""

    id: int
    migration_id: str
    at: AwareDatetime
    name: str
    actor: str
    from_status: Status | None = None
    to_status: Status | None = None
    details: Details

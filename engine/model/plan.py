"""What was asked for, and what will be done about it: the request, the source as it was surveyed, the plan."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache, cached_property
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field

from engine.model.base import Record

PLAN_VERSION: Literal[1] = 1


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


class AutoId(StrEnum):
    """What to do with primary keys that the source made by itself, where the target cannot both keep them and make new ones."""

    KEEP = "keep"
    NEW = "new"


class KeyPolicy(StrEnum):
    """What becomes of a collection's primary keys.

    The source's collection does not make its keys: OWN. It does: ALLOWED (the keys are kept, and the target makes the later ones),
    PLAIN (the keys are kept, auto-id is off on the target) or NEW (the target makes all of them anew).
    """

    OWN = "own"
    ALLOWED = "allowed"
    PLAIN = "plain"
    NEW = "new"

    @property
    def target_makes_keys(self) -> bool:
        """Whether auto-id is on on the target."""
        return self in {KeyPolicy.ALLOWED, KeyPolicy.NEW}


class Request(Record):
    """What someone asked for. Two requests with equal `identity` are the same migration.

    Attributes:
        collections: The chosen collections, sorted; empty means all of the source database.
        on_conflict: Whether a collection on the target that is in the way stops the migration or is dropped.
        check_source: Whether all of the source is read once more after the copy, to find writes that leave its counts as they
            were; without it a few ranges are.
        replaces: The only collections that may be dropped, each with the target's own id of it; None where any may be.
        auto_id: What becomes of keys that the source made, where the target cannot take them and make later ones.
    """

    source: Endpoint
    target: Endpoint
    collections: tuple[str, ...] = ()
    on_conflict: OnConflict = OnConflict.FAIL
    replaces: dict[str, int] | None = None
    check_source: bool = False
    auto_id: AutoId = AutoId.KEEP

    @property
    def replaces_anything(self) -> bool:
        """Whether every collection that is in the way may be dropped."""
        return self.on_conflict is OnConflict.REPLACE and self.replaces is None

    def may_replace(self, collection: str, target_id: int) -> bool:
        """Whether the target's collection of that name and id may be dropped; Milvus Lite calls them all 0."""
        if self.on_conflict is not OnConflict.REPLACE:
            return False
        return self.replaces_anything or (self.replaces or {}).get(collection) == target_id

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


class Replaced(Record):
    """What stands on the target under a collection's name and is deleted before the copy: that one, and no other.

    Attributes:
        id: The target's own id of it; 0 on Milvus Lite, which has none.
        entities: How many it holds.
        exact: Whether they were counted; otherwise it is what the server's statistics say of a collection that is not loaded.
    """

    id: int
    entities: int
    exact: bool = True

    def __str__(self) -> str:
        held = f"{self.entities:,} {'entity' if self.entities == 1 else 'entities'}"
        return held if self.exact else f"not counted (not loaded; its statistics say {held})"


class CollectionPlan(Record):
    """A source collection as it was surveyed.

    Attributes:
        id: The source's own id of it; 0 on Milvus Lite, which has none, and in plans of before.
        definition: The serialised `CollectionSchema` (protobuf) in base64: the whole schema, nothing enumerated by hand.
        fields: `name: type` of each field as text, for people.
        primary_field: The primary key's field name.
        primary_type: "INT64" or "VARCHAR".
        auto_id: Whether the source makes the keys itself.
        keys: What becomes of the keys.
        entities: Exact count of the source (`count(*)`, Strong), duplicates included.
        bytes: Estimated size of all entities on the wire.
        partitions: Named partitions; with a partition key the one entry has the name "" and stands for all of them.
        partition_key: Whether the partitions are the server's own (partition key), so that none is named in reads and writes.
        properties: All that the source tells; `engine/milvus/properties.py` says which are carried, and when.
        loaded: Whether the collection was loaded when it was surveyed.
        replicas: How many times it was loaded.
        nulls: Entities that are null in a field that has a default value, by field; such a field is left out where it could
            not be counted.
        last_key: Whether the source answers an entity whose key is the largest INT64, which not every server does.
        replaces: What is deleted on the target for it; None where nothing may be.
        conflict: What stands in the way, with what can be done about it; None when nothing does.
        losses: What of this collection will not be carried, one sentence each.
        notes: What else the reader should know, one sentence each.
    """

    name: str
    id: int = 0
    definition: str
    fields: tuple[str, ...]
    primary_field: str
    primary_type: Literal["INT64", "VARCHAR"]
    auto_id: bool
    keys: KeyPolicy = KeyPolicy.OWN
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
    replicas: int = 1
    nulls: dict[str, int] = Field(default_factory=dict)
    last_key: bool = False
    replaces: Replaced | None = None
    conflict: str | None = None
    losses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def uncompared_field(self) -> str:
        """The field that the proof leaves out: the primary key where the target makes new ones; "" where there is none."""
        return self.primary_field if self.keys is KeyPolicy.NEW else ""


class Plan(Record):
    """What will be done and what will be lost, before anything is written.

    Attributes:
        database_properties: What the target's database gets if this migration makes it.
    """

    version: Literal[1] = PLAN_VERSION
    request: Request
    source_version: str
    target_version: str
    database_properties: dict[str, str] = Field(default_factory=dict)
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
    def replaced(self) -> tuple[CollectionPlan, ...]:
        """The collections for which something is deleted on the target."""
        return tuple(each for each in self.collections if each.replaces is not None)

    @property
    def deletions(self) -> tuple[str, ...]:
        """What is deleted on the target before the copy: "orders, 1,234 entities" for each."""
        return tuple(f"{each.name}, {each.replaces}" for each in self.replaced)

    @property
    def all_losses(self) -> tuple[str, ...]:
        """Losses of the whole migration and of each collection, the latter with their names."""
        named = (f"{c.name}: {loss}" for c in self.collections for loss in c.losses)
        return (*self.losses, *named)

    @cached_property
    def hash(self) -> str:
        """A digest of everything the plan says, what is deleted by id and count included: an approval binds to it.

        Each button of each message carries it, and a plan may have thousands of collections.
        """
        return hashlib.sha256(self.model_dump_json(exclude=self._unsaid()).encode()).hexdigest()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, which has a hash of its own."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("hash", None)
        return copied

    def _unsaid(self) -> dict[str, Any]:
        """What was added to these records later, where it says nothing: approvals that were given before go on holding."""
        return {
            "request": _at_default(self.request, "replaces", "auto_id", "check_source"),
            "collections": {
                place: _at_default(each, "id", "keys", "replicas", "nulls", "last_key", "replaces")
                for place, each in enumerate(self.collections)
            },
            **dict.fromkeys(_at_default(self, "database_properties"), True),
        }


def _at_default(record: Record, *names: str) -> set[str]:
    return {name for name in names if getattr(record, name) == _default(type(record), name)}


@cache
def _default(record: type[Record], name: str) -> Any:
    """Found out once: pydantic looks at the signature of a factory each time."""
    return record.model_fields[name].get_default(call_default_factory=True)

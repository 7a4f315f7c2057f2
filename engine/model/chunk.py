"""A collection in pieces: ranges of primary keys, and what a copied one leaves in the ledger."""

from engine.model.base import PrimaryKey, Record


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

    @property
    def keys(self) -> str:
        """Which keys it holds, in words for people."""
        after = "" if self.lower is None else f" after {self.lower!r}"
        until = "" if self.upper is None else f" up to {self.upper!r}"
        return f"the keys{after}{until}" if after or until else "all keys"


class Receipt(Record):
    """What a copied chunk leaves in the ledger.

    Attributes:
        entities: Entities read and written.
        bytes: Bytes of the columns as they went over the wire.
        digest: The content digest, 32 hexadecimal digits (`engine/proof/digest.py`).
    """

    entities: int
    bytes: int
    digest: str


class ChunkSums(Record):
    """All chunks of a collection, summed up by the database.

    Attributes:
        chunks: How many there are.
        entities: Entities that the planner saw.
        attempted: Chunks of which something may be on the target.
        copied: Entities in receipts.
        doubtful: Chunks that were attempted and have no receipt.
        doubtful_entities: Entities that the planner saw in those.
    """

    chunks: int
    entities: int
    attempted: int
    copied: int
    doubtful: int
    doubtful_entities: int


class SetAside(Record):
    """An entity that the target refused, and why; it is not on the target."""

    partition: str
    pk: PrimaryKey
    reason: str


class Chunk(Record):
    """A chunk as the ledger holds it: its range and, once it is copied, its receipt.

    `attempted` is True from the moment before the first write: a chunk with `attempted` and no receipt is in doubt and is upserted.
    `doubted` is True from the moment when something of it was found different until it gets another receipt: the source may hold
    other than the receipt says.
    """

    id: int
    range: ChunkRange
    attempted: bool = False
    receipt: Receipt | None = None
    verified: bool | None = None
    doubted: bool = False

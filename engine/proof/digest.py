"""A digest of many entities' content that does not depend on their order; pure: it knows neither Milvus nor the ledger.

    digest = ContentDigest()
    digest.add({"id": [b"...", ...], "vector": [b"...", ...]})      # one page: canonical values by field name
    digest.count, digest.hexdigest()                                # what a receipt keeps
    ContentDigest.of_receipt(count, hexdigest) == digest            # what the verifier compares
    differing_fields({"id": b"..."}, {"id": b"..."})                # ("id",) where the bytes differ

The canonical values come from `engine/milvus/canonical.py`; which entities differ is found by `engine/proof/comparison.py`.

Each value is hashed (xxh3_128), an entity is the hash of its values' hashes in the order of their field names behind a hash of
those names, and the digest is the count and the sum of the entities modulo 2**128. All parts of an entity have 16 bytes, so no
two entities can be joined to the same bytes. A sum and not XOR: an entity that stands there twice must not vanish (pgcopydb's
rule). xxh3 finds accidents, not forgers: someone who may write to both clusters can make collisions.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Self

from xxhash import xxh3_128_digest, xxh3_128_intdigest

_MODULUS = 1 << 128


class ContentDigest:
    """Count and content of a multiset of entities; equal when both are equal.

    Args:
        count: Entities that the digest starts with.
        total: The sum that belongs to them, below 2**128.
    """

    __slots__ = ("_count", "_total")

    def __init__(self, count: int = 0, total: int = 0) -> None:
        self._count = count
        self._total = total

    @classmethod
    def of_receipt(cls, count: int, hexdigest: str) -> Self:
        """The digest that a receipt keeps: its entities and its 32 hexadecimal digits."""
        return cls(count, int(hexdigest, 16))

    @property
    def count(self) -> int:
        """How many entities were added."""
        return self._count

    @property
    def total(self) -> int:
        """The sum of the entities' hashes modulo 2**128."""
        return self._total

    def add(self, columns: Mapping[str, Sequence[bytes]]) -> None:
        """Adds entities given as columns: field name -> one canonical value per entity, in any order of the fields.

        Raises:
            ValueError: The columns are not equally long, or there is none; nothing was added.
        """
        entities = entity_hashes(columns)
        self._total = (self._total + sum(entities)) % _MODULUS
        self._count += len(next(iter(columns.values())))

    def merge(self, other: "ContentDigest") -> None:
        """Adds all entities of another digest, as if their pages had been added here."""
        self._total = (self._total + other.total) % _MODULUS
        self._count += other.count

    def hexdigest(self) -> str:
        """The sum as 32 hexadecimal digits; it says nothing of the count, which a receipt keeps beside it."""
        return f"{self._total:032x}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ContentDigest):
            return NotImplemented
        return (self._count, self._total) == (other.count, other.total)

    __hash__ = None  # type: ignore[assignment]  # it changes while pages are added

    def __repr__(self) -> str:
        return f"ContentDigest(count={self._count}, {self.hexdigest()})"


def entity_hashes(columns: Mapping[str, Sequence[bytes]]) -> Iterator[int]:
    """The hash of each entity of a page, whose sum the digest is.

    Raises:
        ValueError: The columns are not equally long, or there is none.
    """
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"columns of one page must be equally long, not {sorted(lengths)}")
    names = sorted(columns)
    head = xxh3_128_digest("".join(f"{len(name)}:{name}" for name in names).encode())
    hashes = (map(xxh3_128_digest, columns[name]) for name in names)
    entities = map(b"".join, zip(repeat(head), *hashes, strict=False))  # repeat() has no end
    return map(xxh3_128_intdigest, entities)


def differing_fields(first: Mapping[str, bytes], second: Mapping[str, bytes]) -> tuple[str, ...]:
    """The names, sorted, of the fields whose canonical values differ or that only one of the two entities has."""
    names = sorted(first.keys() | second.keys())
    return tuple(name for name in names if first.get(name) != second.get(name))

"""Notices writes to the source after it was copied, also those that leave every count as it was: ranges are read again.

No server tells cheaply that an entity was replaced: Milvus 2.3.5 counts the same, and neither its statistics nor its segments show
what is not flushed yet (tried on the real server). So content is read again and held against the receipts: of a few ranges always,
of all of them on request, which costs what reading the source costs. Nothing is written here.
"""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from engine.content import read_range
from engine.executors import pipeline
from engine.milvus import duplicates
from engine.milvus.pages import CollectionReader
from engine.model import Chunk, ChunkRange, Mismatch, MismatchKind, PrimaryKey
from engine.proof.digest import ContentDigest

SAMPLE_CHUNKS: Final = 4
"""Ranges that are always read again, about 12 MB: writes to half of all ranges go unseen once in 16 times; a new verification
reads others."""

Item = TypeVar("Item")
Differing = Callable[[ChunkRange], Iterable[Mismatch]]
"""Names what the target does not hold of a range as the source holds it now."""


@dataclass
class Drift:
    """What was found when ranges of the source were read again.

    Attributes:
        entities: Entities that were read.
        ranges: Ranges that were read.
        changed: Those of them that do not hold what was copied.
        surplus: Entities that share the key of another one, in ranges that were counted.
    """

    entities: int = 0
    ranges: int = 0
    changed: int = 0
    surplus: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def fault(self) -> str:
        """One sentence; "" where nothing changed."""
        if not self.changed:
            return ""
        return (
            f"The source was written to meanwhile: of {self.ranges:,} ranges of keys that were read again, "
            f"{self.changed:,} do not hold what was copied."
        )

    def add(self, found: tuple[int, bool, int]) -> None:
        """Counts one range: its entities, whether it changed, its surplus; may be called from several threads."""
        with self._lock:
            self.entities += found[0]
            self.ranges += 1
            self.changed += found[1]
            self.surplus += found[2]


def reread(
    source: CollectionReader,
    chunks: Iterable[Chunk],
    page_entities: int,
    check: Callable[[], None],
    without: str = "",
    *,
    expires: bool = False,
    counted: bool = False,
    differing: Differing | None = None,
) -> Drift:
    """Reads the ranges of copied chunks on the source again.

    A range in which several entities share a key, or of which some expired, may answer other than was copied though nobody wrote
    to it: there every entity is held against the target by itself (`_Reason`). Where the target made the keys that cannot be done:
    such a range is held against its number alone.

    Args:
        source: The source's collection, at a read point after the copy.
        chunks: Those without a receipt are left out.
        page_entities: Entities per page at most.
        check: Called before each range; raises a `StopWork` when the work must end.
        without: A field that the receipts leave out.
        expires: Whether entities of the collection expire: a range that holds fewer than before has not changed for that.
        counted: Whether each range is counted; else only one that does not answer what was copied.
        differing: Asked of chunks that were found the same on the target; None where the keys there are others.
    """
    drift = Drift()

    def copied() -> Iterator[tuple[Chunk, ContentDigest]]:
        for chunk in chunks:
            check()
            if chunk.receipt is not None:
                digest = ContentDigest.of_receipt(chunk.receipt.entities, chunk.receipt.digest)
                yield chunk, digest

    def read(copied: tuple[Chunk, ContentDigest]) -> tuple[int, bool, int]:
        chunk, expected = copied
        known = None if counted else expected.__eq__
        found = read_range(source, chunk.range, page_entities, without=without, known=known)
        shared = _shared(source, chunk.range) if found.counted > found.digest.count else {}
        surplus = sum(entities - 1 for entities in shared.values())
        if found.digest == expected:
            return found.digest.count, False, surplus
        reason = _Reason(expires and found.digest.count < expected.count, shared)
        if differing is None:
            changed = not reason.fewer and (found.digest.count != expected.count or not shared)
        elif reason.is_one:  # what was found to differ on the target is named already
            changed = bool(chunk.verified) and reason.is_short_of(differing(chunk.range))
        else:
            changed = True
        return found.digest.count, changed, surplus

    pipeline(copied(), read, drift.add)
    return drift


class _Reason(NamedTuple):
    """Why a range may answer other than was copied though nobody wrote to it.

    Attributes:
        fewer: Some of its entities expired.
        shared: How many entities have each key that several have: which of them a query answers is the server's choice.
    """

    fewer: bool
    shared: Mapping[PrimaryKey, int]

    @property
    def is_one(self) -> bool:
        """Whether there is any."""
        return self.fewer or bool(self.shared)

    def is_short_of(self, differing: Iterable[Mismatch]) -> bool:
        """Whether it does not explain all that the target, which holds what was copied, does not hold as the source does."""
        return not all(map(self._explains, differing))

    def _explains(self, mismatch: Mismatch) -> bool:
        if mismatch.kind is MismatchKind.EXTRA:
            return self.fewer
        return mismatch.kind is MismatchKind.DIFFERENT and mismatch.pk in self.shared


def _shared(source: CollectionReader, key_range: ChunkRange) -> dict[PrimaryKey, int]:
    """The keys of a range that several entities share, with how many they are.

    Key by key: one that expired while the range was read makes none, nor does a count that was too high for a moment.
    """
    partition, keys = key_range.partition, source.keys
    return {
        key: entities
        for page in keys(partition, key_range.lower, key_range.upper)
        for key, entities in duplicates.repeated_keys(source, partition, page)
    }


def seed_of(migration: str, asked: int, collection: str) -> str:
    """What chooses the ranges of a collection that are read again: others each time, and the same ones after an interruption.

    Args:
        migration: Its id.
        asked: How often it was asked to go on after an end.
        collection: The collection's name.
    """
    return f"{migration}/{asked}/{collection}"


def sample(items: Iterable[Item], size: int, seed: str) -> list[Item]:
    """So many of the items, each as likely as any other, the same ones for the same seed; holds no more than these."""
    chosen: list[Item] = []
    for _ in sampled(items, size, seed, chosen):
        pass
    return chosen


def sampled(items: Iterable[Item], size: int, seed: str, chosen: list[Item]) -> Iterator[Item]:
    """Passes all items on, and leaves a `sample` of them in `chosen`."""
    chance = random.Random(seed)  # noqa: S311  # it chooses, it keeps no secret
    for place, item in enumerate(items):
        if place < size:
            chosen.append(item)
        elif (other := chance.randint(0, place)) < size:
            chosen[other] = item
        yield item

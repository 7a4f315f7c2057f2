"""Notices writes to the source after it was copied, also those that leave every count as it was: ranges are read again.

No server tells cheaply that an entity was replaced: Milvus 2.3.5 counts the same, and neither its statistics nor its segments show
what is not flushed yet (tried on the real server). So content is read again and held against the receipts: of a few ranges always,
of all of them on request, which costs what reading the source costs. Nothing is written here.
"""

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

from engine.content import Content, read_range
from engine.executors import pipeline
from engine.milvus import duplicates
from engine.milvus.pages import CollectionReader
from engine.model import Chunk, ChunkRange
from engine.proof.digest import ContentDigest

SAMPLE_CHUNKS: Final = 4
"""Ranges that are always read again, about 12 MB: writes to half of all ranges go unseen once in 16 times."""

Item = TypeVar("Item")


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
) -> Drift:
    """Reads the ranges of copied chunks on the source again.

    A range in which several entities share a key is held against its count alone: which of them a query answers is the server's
    choice.

    Args:
        source: The source's collection, at a read point after the copy.
        chunks: Those without a receipt are left out.
        page_entities: Entities per page at most.
        check: Called before each range; raises a `StopWork` when the work must end.
        without: A field that the receipts leave out.
        expires: Whether entities of the collection expire: a range that holds fewer than before has not changed for that.
        counted: Whether each range is counted; else only one that does not answer what was copied.
    """
    drift = Drift()

    def copied() -> Iterator[tuple[Chunk, ContentDigest]]:
        for chunk in chunks:
            check()
            if chunk.receipt is not None:
                digest = ContentDigest.of_receipt(chunk.receipt.entities, chunk.receipt.digest)
                yield chunk, digest

    def changed(found: Content, expected: ContentDigest) -> bool:
        if expires and found.digest.count < expected.count:
            return False
        if found.counted != found.digest.count:
            return found.digest.count != expected.count
        return found.digest != expected

    def read(copied: tuple[Chunk, ContentDigest]) -> tuple[int, bool, int]:
        chunk, expected = copied
        known = None if counted else expected.__eq__
        found = read_range(source, chunk.range, page_entities, without=without, known=known)
        entities = found.digest.count
        surplus = _sharing(source, chunk.range) if found.counted > entities else 0
        return entities, changed(found, expected), surplus

    pipeline(copied(), read, drift.add)
    return drift


def _sharing(source: CollectionReader, key_range: ChunkRange) -> int:
    """How many entities of a range share the key of another one.

    Key by key: one that expired while the range was read makes none, nor does a count that was too high for a moment.
    """
    partition, keys = key_range.partition, source.keys
    return sum(
        duplicates.surplus(source, partition, page)
        for page in keys(partition, key_range.lower, key_range.upper)
    )


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

"""Writes a range of keys that the target did not take as it was, in ever smaller requests, and sets aside what it never takes.

A refused request is read again in two halves until one entity is left: that one is set aside with the reason, and the rest goes on.
What is set aside is missing on the target, so that the proof names it and the migration does not end as successful. A refusal that
concerns the whole request (permission, a missing collection, no room) is never taken for an entity's fault: some codes say so, and
where the target has taken nothing at all of a collection, nothing of it is set aside. Nor is a bad hour of the target: where it may
have been its own fault, an entity is set aside only when it is refused once more after another one, known to be good, was taken.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from engine.errors import ServiceUnavailable, TargetUnsupported
from engine.flow import Sizes
from engine.milvus.failures import MessageTooLarge, MilvusRefused, may_be_an_entitys
from engine.milvus.pages import CollectionReader, Page
from engine.model import Chunk, ChunkRange, ChunkSums, PrimaryKey, SetAside

ASIDE_MAX: Final = 100
"""Entities of a collection that are set aside in one attempt; where more are refused, a person has to look."""
IN_VAIN_MAX: Final = 8
"""Single entities that are tried while nothing of the collection was ever taken."""


class Undecided(ServiceUnavailable):
    """An entity was refused, and it may be the target's own fault: whether anything of its range was written is in doubt."""

    code = "E-UNDECIDED"


Refusal = MessageTooLarge | MilvusRefused
Place = tuple[str, PrimaryKey]
"""A partition and a key."""


@dataclass
class Tally:
    """What the target took and refused of a collection in one attempt; several threads add to it.

    Attributes:
        taken: Requests.
        refused: Entities.
        known: An entity that it took.
    """

    taken: int = 0
    refused: int = 0
    known: Place | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def of(cls, chunks: ChunkSums, taken: Chunk | None) -> Self:
        """What earlier attempts left, as far as the receipts tell.

        Args:
            chunks: All chunks of the collection.
            taken: One of them that the target took, and whose last key is known.
        """
        known = None
        if taken is not None and taken.range.upper is not None:
            known = taken.range.partition, taken.range.upper
        return cls(taken=int(chunks.copied > 0), known=known)

    def took(self, partition: str, key: PrimaryKey) -> None:
        """The target took a request whose last key this is."""
        self.taken += 1
        self.known = partition, key

    def refuse(self, collection: str, aside: Sequence[SetAside]) -> None:
        """The target refused these for good; raises TargetUnsupported for whoever set aside one that is too many."""
        with self._lock:
            self.refused += len(aside)
            if aside and self.refused > ASIDE_MAX:
                raise too_many(collection, aside[-1])


@dataclass
class Descent:
    """Writes one range.

    Args:
        reader: The source's collection.
        put: Writes a page into a partition.
        check: Called before each request; raises a `StopWork` when the work must end.
        sizes: Learns how large a request may be.
        tally: Shared by all ranges of the collection.
        takes_again: Whether the target takes an entity now that it took before: this one of the range, or else any.
    """

    reader: CollectionReader
    put: Callable[[str, Page], None]
    check: Callable[[], None]
    sizes: Sizes
    tally: Tally
    takes_again: Callable[[Place | None], bool]
    _aside: list[SetAside] = field(default_factory=list)
    _suspects: list[tuple[str, Page, Refusal]] = field(default_factory=list)
    _known: Place | None = None

    def write(self, key_range: ChunkRange, limit: int) -> tuple[SetAside, ...]:
        """Writes every entity of the range that the target takes; once for each `Descent`.

        Args:
            key_range: The range.
            limit: Entities per request, at first.

        Returns:
            Those that it does not take.

        Raises:
            MessageTooLarge, MilvusRefused: The target takes nothing of this collection.
            TargetUnsupported: It refuses more than `ASIDE_MAX` of them.
            Undecided: It refuses what it took before as well: all of the range can be written again later.
            FerryError: A server or the ledger failed; a part of the range may be written.
        """
        self._down(key_range.partition, key_range.lower, key_range.upper, limit)
        self._judge()
        self.tally.refuse(self.reader.collection, self._aside)
        return tuple(self._aside)

    def _down(
        self, partition: str, lower: PrimaryKey | None, upper: PrimaryKey | None, limit: int
    ) -> None:
        """Writes a range; of a page that is refused both halves wait, and the nearest part goes first.

        While the target has taken nothing, the one that waits longest does: the entities that it refuses may be neighbours.
        """
        waiting = [(lower, upper, limit)]
        while waiting:
            self.check()
            in_vain = bool(self._suspects and not self.tally.taken)
            lower, upper, limit = waiting.pop(0 if in_vain else -1)
            page = next(self.reader.pages(partition, lower, upper, limit=limit), None)
            if page is None:
                continue
            last = page.keys[-1]
            if last != upper:
                waiting.append((last, upper, limit))
            if self._must_halve(partition, page):
                waiting.append((lower, last, len(page.keys) // 2))

    def _must_halve(self, partition: str, page: Page) -> bool:
        """Writes a page; True where it was refused and holds several entities."""
        refusal = self._refused(partition, page)
        if refusal is None:
            return False
        if isinstance(refusal, MessageTooLarge):
            self.sizes.too_large(page.bytes)
        if len(page.keys) > 1:
            return True
        self._suspects.append((partition, page, refusal))
        # Where it never took anything, a few are enough to see that it takes nothing.
        if len(self._suspects) >= (ASIDE_MAX if self.tally.taken else IN_VAIN_MAX):
            self._judge()
        return False

    def _refused(self, partition: str, page: Page) -> Refusal | None:
        try:
            self.put(partition, page)
        except MessageTooLarge as refusal:
            return refusal
        except MilvusRefused as refusal:
            if not may_be_an_entitys(refusal):
                raise
            return refusal
        self.tally.took(partition, page.keys[-1])
        self._known = partition, page.keys[-1]
        return None

    def _judge(self) -> None:
        """Sets aside what was refused for its own sake, after the rest of the range went through or was refused as well."""
        doubtful = [each for each in self._suspects if not each[2].certain]
        if doubtful and not self.takes_again(self._known):
            _, page, last = doubtful[-1]
            raise undecided(self.reader.collection, page.keys[0], last)
        for partition, page, first in self._suspects:
            self.check()
            refusal: Refusal | None = first if first.certain else self._refused(partition, page)
            if refusal is None:
                continue
            if not self.tally.taken:
                raise refusal
            key = page.keys[0]
            self._aside.append(SetAside(partition=partition, pk=key, reason=refusal.message))
            if self.tally.refused + len(self._aside) > ASIDE_MAX:
                raise too_many(self.reader.collection, self._aside[-1])
        self._suspects.clear()


def too_many(collection: str, last: SetAside) -> TargetUnsupported:
    """More than `ASIDE_MAX` entities were refused."""
    return TargetUnsupported(
        f"The target refuses more than {ASIDE_MAX} entities of “{collection}”, the last of them {last.pk!r}: {last.reason}",
        state="All chunks with a receipt are on the target; this one is not complete.",
        next_step="Mend the cause on the target or the source, then resume; or leave this collection out.",
    )


def undecided(collection: str, key: PrimaryKey, refusal: Refusal) -> Undecided:
    """What is said of such an entity."""
    return Undecided(
        f"The target refuses entities of “{collection}”, the last of them {key!r}, and takes no others either: {refusal.message}",
        state="All chunks with a receipt are on the target; this one is not complete.",
        next_step="Look at the target's health and its log, then resume. If the values are at fault, mend them on the source.",
    )

"""Writes a range of keys that the target did not take as it was, in ever smaller requests, and sets aside what it never takes.

A refused request is read again in two halves until one entity is left: that one is set aside with the reason, and the rest goes on.
What is set aside is missing on the target, so that the proof names it and the migration does not end as successful. A refusal that
concerns the whole request (permission, a missing collection, no room) is never taken for an entity's fault: some codes say so, and
where the target has taken nothing at all of a collection, nothing of it is set aside.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from engine.errors import TargetUnsupported
from engine.flow import Sizes
from engine.milvus.failures import MessageTooLarge, MilvusRefused, may_be_an_entitys
from engine.milvus.pages import CollectionReader, Page
from engine.model import ChunkRange, PrimaryKey, SetAside

ASIDE_MAX: Final = 100
"""Entities of a collection that are set aside in one attempt; where more are refused, a person has to look."""
IN_VAIN_MAX: Final = 8
"""Single entities that are tried while nothing of the collection was ever taken."""

Refusal = MessageTooLarge | MilvusRefused


@dataclass
class Tally:
    """What the target took and refused of a collection in one attempt; several threads add to it.

    Attributes:
        taken: Requests.
        refused: Entities.
    """

    taken: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Descent:
    """Writes one range.

    Args:
        reader: The source's collection.
        put: Writes a page into a partition.
        check: Called before each request; raises a `StopWork` when the work must end.
        sizes: Learns how large a request may be.
        tally: Shared by all ranges of the collection.
    """

    reader: CollectionReader
    put: Callable[[str, Page], None]
    check: Callable[[], None]
    sizes: Sizes
    tally: Tally
    _refusals: list[Refusal] = field(default_factory=list)
    _aside: list[SetAside] = field(default_factory=list)

    def write(self, key_range: ChunkRange, limit: int) -> tuple[SetAside, ...]:
        """Writes every entity of the range that the target takes.

        Args:
            key_range: The range.
            limit: Entities per request, at first.

        Returns:
            Those that it does not take.

        Raises:
            MessageTooLarge, MilvusRefused: The target takes nothing of this collection.
            TargetUnsupported: It refuses more than `ASIDE_MAX` of them.
            FerryError: A server failed.
        """
        self._down(key_range.partition, key_range.lower, key_range.upper, limit)
        if self._aside and not self.tally.taken:
            raise self._refusals[-1]
        return tuple(self._aside)

    def _down(
        self, partition: str, lower: PrimaryKey | None, upper: PrimaryKey | None, limit: int
    ) -> None:
        while upper is None or lower != upper:
            self.check()
            page = next(self.reader.pages(partition, lower, upper, limit=limit), None)
            if page is None:
                return
            self._page(partition, lower, page)
            lower = page.keys[-1]

    def _page(self, partition: str, lower: PrimaryKey | None, page: Page) -> None:
        try:
            self.put(partition, page)
        except MessageTooLarge as refusal:
            self.sizes.too_large(page.bytes)
            self._smaller(partition, lower, page, refusal)
        except MilvusRefused as refusal:
            if not may_be_an_entitys(refusal):
                raise
            self._smaller(partition, lower, page, refusal)
        else:
            self.tally.taken += 1

    def _smaller(
        self, partition: str, lower: PrimaryKey | None, page: Page, refusal: Refusal
    ) -> None:
        if len(page.keys) > 1:
            self._down(partition, lower, page.keys[-1], len(page.keys) // 2)
            return
        self._refusals.append(refusal)
        self._aside.append(SetAside(partition=partition, pk=page.keys[0], reason=refusal.message))
        self.tally.refused += 1
        if not self.tally.taken and len(self._aside) >= IN_VAIN_MAX:
            raise refusal
        if self.tally.refused > ASIDE_MAX:
            raise TargetUnsupported(
                f"The target refuses more than {ASIDE_MAX} entities of “{self.reader.collection}”, the last of them "
                f"{page.keys[0]!r}: {refusal.message}",
                state="All chunks with a receipt are on the target; this one is not complete.",
                next_step="Mend the cause on the target or the source, then resume; or leave this collection out.",
            ) from refusal

"""Proves that the target holds what the source holds: digests per chunk, then the keys of what differs.

The target is read once. Equal counts prove nothing, so none is trusted without the content; `count(*)` is asked besides, of each
chunk or of all at once, because a server that keeps duplicate keys answers only one of them. What differs is named one key at a
time, as it is asked for: memory does not grow with what is found. Nothing is written to either side.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat
from typing import Final

from engine.content import Content, read_range
from engine.errors import DataUnreadable, FerryError
from engine.executors import pipeline
from engine.milvus import duplicates
from engine.milvus.canonical_page import canonical_page
from engine.milvus.failures import MessageTooLarge
from engine.milvus.pages import CollectionReader, Page
from engine.model import Chunk, ChunkRange, Mismatch, MismatchKind, Reason
from engine.proof.comparison import Row, explain, keyed_rows
from engine.proof.digest import ContentDigest

READERS: Final = 3
"""One more than a copy has: nothing is written meanwhile (2 % to 8 % quicker on two cores)."""

_INCOMPARABLE = (DataUnreadable, MessageTooLarge)
"""What a server answers for one range alone; anything else ends the whole verification, which can be continued."""


@dataclass(frozen=True)
class Finding:
    """What the comparison of one chunk found.

    Attributes:
        source_entities: Entities that the source answered (or its receipt says) in the range.
        mismatches: Nothing when the chunk is the same on both sides; else both are read as it is drawn, once.
        error: Why the chunk could not be compared; "" when it was.
    """

    chunk: Chunk
    source_entities: int
    mismatches: Iterator[Mismatch] = field(default_factory=lambda: iter(()))
    error: str = ""


@dataclass(frozen=True)
class Verifier:
    """Compares one collection on both sides.

    Args:
        source: The source's collection, read only where a digest is missing or differs.
        target: The target's collection at a read point after the last write.
        page_entities: Entities per page at most.
        check: Called between chunks; raises a `StopWork` when the verification must end.
    """

    source: CollectionReader
    target: CollectionReader
    page_entities: int
    check: Callable[[], None]

    def run(
        self,
        chunks: Iterable[Chunk],
        record: Callable[[Finding], None],
        *,
        counted: bool = True,
    ) -> None:
        """Compares every chunk and hands each finding to `record`, which draws it, from several threads.

        A chunk with a receipt is held against it; one without is read on the source as well. One that a server
        does not answer in a way that can be compared is a finding with an error; if its mismatches were being
        drawn, it is handed over a second time.

        Args:
            chunks: What to compare.
            record: Gets the findings.
            counted: Whether entities that share a key are looked for in chunks that answer what they should. It takes a
                count per chunk; the caller who leaves it out has to count the collection.
        """

        def recorded(finding: Finding) -> None:
            try:
                record(finding)
            except _INCOMPARABLE as error:
                record(_incomparable(finding.chunk, error))

        compared = partial(self._compared, counted=counted)
        pipeline(self._checked(chunks), compared, recorded, readers=READERS)

    def _compared(self, chunk: Chunk, *, counted: bool) -> Finding:
        try:
            return self._compare(chunk, counted=counted)
        except _INCOMPARABLE as error:
            return _incomparable(chunk, error)

    def _compare(self, chunk: Chunk, *, counted: bool) -> Finding:
        key_range = chunk.range
        expected = (
            ContentDigest.of_receipt(chunk.receipt.entities, chunk.receipt.digest)
            if chunk.receipt
            else self._content(self.source, key_range).digest
        )
        found = self._content(self.target, key_range, None if counted else expected)
        named: list[Iterator[Mismatch]] = []
        if found.digest != expected:
            named.append(self.explain(key_range))
        if found.counted != found.digest.count:
            named.append(self._repeated(key_range))
        return Finding(chunk, expected.count, chain.from_iterable(named))

    def explain(self, key_range: ChunkRange) -> Iterator[Mismatch]:
        """Reads a range on both sides and names the keys that are not the same."""
        source, target = self._rows(self.source, key_range), self._rows(self.target, key_range)
        return explain(source, target, key_range.partition)

    def _repeated(self, key_range: ChunkRange) -> Iterator[Mismatch]:
        partition = key_range.partition
        for page in self._pages(self.target, key_range):
            found = duplicates.repeated_keys(self.target, partition, page.keys)
            for key, entities in found:
                extra = Mismatch(
                    partition=partition, pk=key, kind=MismatchKind.EXTRA, reason=Reason.DOUBLED
                )
                yield from repeat(extra, entities - 1)

    def _checked(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            self.check()
            yield chunk

    def _content(
        self,
        reader: CollectionReader,
        key_range: ChunkRange,
        expected: ContentDigest | None = None,
    ) -> Content:
        known = None if expected is None else expected.__eq__
        return read_range(reader, key_range, self.page_entities, known=known)

    def _rows(self, reader: CollectionReader, key_range: ChunkRange) -> Iterator[Row]:
        for page in self._pages(reader, key_range):
            yield from keyed_rows(page.keys, canonical_page(page))

    def _pages(self, reader: CollectionReader, key_range: ChunkRange) -> Iterator[Page]:
        return reader.pages(
            key_range.partition, key_range.lower, key_range.upper, limit=self.page_entities
        )


def _incomparable(chunk: Chunk, error: FerryError) -> Finding:
    entities = chunk.receipt.entities if chunk.receipt else chunk.range.entities
    return Finding(chunk, entities, error=error.message)

"""Copies a collection chunk by chunk: columns are read, digested and written, then the receipt is left.

Entities pass as the protobuf columns that the source answered; no row is ever made. Nothing here
decides which collections are copied, and nothing verifies what was written.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from engine import crashpoints
from engine.content import Content, read_range
from engine.errors import DataUnreadable, ServiceUnavailable
from engine.executors import pipeline
from engine.ledger import Ledger
from engine.milvus import destination, duplicates
from engine.milvus.connection import Cluster
from engine.milvus.failures import MessageTooLarge
from engine.milvus.pages import CollectionReader, Page
from engine.model import Chunk, ChunkRange, CollectionPlan, Lease, Receipt

HELD_BYTES_MAX = 32 << 20
"""A chunk that turns out larger is not held in memory: it is read once for its digest, and again as it is written."""

ATTEMPT_WINDOW = 8
"""Chunks that are marked as attempted in one commit, before the first of them is written."""


@dataclass(frozen=True)
class ReadChunk:
    """A chunk as it was read, and the receipt that it leaves once its pages are written."""

    chunk: Chunk
    pages: Iterable[Page]
    receipt: Receipt


@dataclass(frozen=True)
class Copier:
    """Copies the pending chunks of one collection.

    Args:
        reader: The source's collection at its read point.
        target: The target cluster, whose collection of the same name exists.
        plan: The collection as it was planned.
        ledger: Where receipts go.
        lease: The worker's right to write.
        page_entities: Entities per page and request at most.
        check: Called before a chunk is read; raises a `StopWork` when the copy must end.
        fence: The same, called right before a chunk is written and sure of the ledger: a worker that
            slept through its takeover must not insert what another one wrote meanwhile.
    """

    reader: CollectionReader
    target: Cluster
    plan: CollectionPlan
    ledger: Ledger
    lease: Lease
    page_entities: int
    check: Callable[[], None]
    fence: Callable[[], None]

    def run(self) -> None:
        """Copies every chunk that has no receipt yet.

        Raises:
            StopWork: `check` asked to stop; every written chunk has its receipt.
            FerryError: A server failed or refused; likewise.
        """
        pipeline(self._pending(), self.read, self.write)

    def read(self, chunk: Chunk) -> ReadChunk:
        """Reads a chunk until no page is left, and holds its entities against `count(*)`.

        Raises:
            DataUnreadable: What was read and what the source counts differ without a reason.
        """
        found = read_range(
            self.reader,
            chunk.range,
            self.page_entities,
            keep_bytes=HELD_BYTES_MAX,
            without=self.plan.uncompared_field,
        )
        if found.counted != found.digest.count:
            self._explain_count(chunk.range, found)
        receipt = Receipt(
            entities=found.digest.count, bytes=found.bytes, digest=found.digest.hexdigest()
        )
        crashpoints.reached("read")
        return ReadChunk(chunk, self._pages_of(chunk.range, found), receipt)

    def write(self, content: ReadChunk) -> None:
        """Writes a chunk, then its receipt: a crash between them repeats the chunk, never skips it."""
        chunk = content.chunk
        self.fence()
        crashpoints.reached("writing")
        written = 0
        try:
            for page in content.pages:
                self._write_page(chunk.range, page, upsert=chunk.attempted)
                written += 1
        except MessageTooLarge:
            self._write_smaller(content, in_doubt=chunk.attempted or written > 0)
        crashpoints.reached("written")
        self.ledger.record_receipt(self.lease, chunk.id, content.receipt)
        crashpoints.reached("receipt")

    def put(self, partition: str, page: Page) -> None:
        """Upserts one page, until the target acknowledged it; a repeated upsert changes nothing."""
        self.target.repeat(lambda: self._send(partition, page, upsert=True))

    def _pending(self) -> Iterator[Chunk]:
        chunks = self.ledger.chunks(
            self.lease.migration_id, self.reader.collection, pending_only=True
        )
        while window := tuple(islice(chunks, ATTEMPT_WINDOW)):
            self.check()
            fresh = [chunk.id for chunk in window if not chunk.attempted]
            if fresh:
                self.ledger.mark_attempted(self.lease, fresh)
                crashpoints.reached("attempted")
            for chunk in window:
                self.check()
                yield chunk

    def _pages_of(self, key_range: ChunkRange, found: Content) -> Iterable[Page]:
        return tuple(found.pages) if found.kept else self._pages(key_range)

    def _pages(self, key_range: ChunkRange, limit: int | None = None) -> Iterator[Page]:
        return self.reader.pages(
            key_range.partition,
            key_range.lower,
            key_range.upper,
            limit=limit or self.page_entities,
        )

    def _write_page(self, key_range: ChunkRange, page: Page, *, upsert: bool) -> None:
        try:
            self._send(key_range.partition, page, upsert=upsert)
        except ServiceUnavailable:
            # Whether the page was applied is unknown, and a second insert would double it.
            self.put(key_range.partition, page)

    def _write_smaller(self, content: ReadChunk, *, in_doubt: bool) -> None:
        """Reads a refused chunk again in ever smaller pages, since columns cannot be cut."""
        key_range = content.chunk.range
        limit, written = self.page_entities, 0
        while limit > 1:
            limit //= 2
            try:
                for page in self._pages(key_range, limit):
                    self._write_page(key_range, page, upsert=in_doubt)
                    written += 1
            except MessageTooLarge:
                in_doubt = in_doubt or written > 0
                continue
            return
        raise DataUnreadable(
            f"{key_range.collection}: an entity between the keys {key_range.lower!r} and "
            f"{key_range.upper!r} is larger than the target accepts in one message.",
            state="All chunks with a receipt are on the target; this one is not complete.",
            next_step="Raise the target's message limit, or leave this collection out.",
        )

    def _send(self, partition: str, page: Page, *, upsert: bool) -> None:
        destination.send(self.target, self.plan, partition, page, in_doubt=upsert)

    def _explain_count(self, key_range: ChunkRange, found: Content) -> None:
        keys = [key for page in self._pages_of(key_range, found) for key in page.keys]
        shared = duplicates.repeated_keys(self.reader, key_range.partition, keys)
        if found.counted == found.digest.count + sum(number - 1 for _, number in shared):
            return
        raise DataUnreadable(
            f"{key_range.collection}: in one range of keys the source counts {found.counted} entities "
            f"and answers {found.digest.count}.",
            state="Nothing of this range was written in this attempt.",
            next_step="Make sure that nobody writes to the source, then resume.",
        )

"""Copies a collection chunk by chunk: columns are read, digested and written, then the receipt is left.

Entities pass as the protobuf columns that the source answered; no row is ever made. Nothing here
decides which collections are copied, and nothing verifies what was written.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from engine import crashpoints
from engine.content import Content, read_range
from engine.descent import Descent, Place, Tally, Undecided
from engine.errors import DataUnreadable, ServiceUnavailable
from engine.executors import pipeline
from engine.flow import Sizes
from engine.ledger import Ledger
from engine.milvus import destination, duplicates
from engine.milvus.connection import Cluster
from engine.milvus.failures import MessageTooLarge, MilvusRefused, may_be_an_entitys
from engine.milvus.pages import CollectionReader, Page
from engine.milvus.survey import last_key_hidden
from engine.model import Chunk, ChunkRange, CollectionPlan, KeyPolicy, Lease, Receipt, SetAside
from engine.proof.digest import ContentDigest

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
        exact: Whether the ranges' keys together are as many as the source counts: one that answers as many entities as
            were planned is not counted by itself then.
        check: Called before a chunk is read; raises a `StopWork` when the copy must end.
        fence: The same, called right before a chunk is written and sure of the ledger: a worker that
            slept through its takeover must not insert what another one wrote meanwhile.
        settle: Returns once no write of a worker that was lost can arrive any more; raises as `check`.
        turn: A writer's turn for so many entities and bytes (`flow.Flow.turn`).
        sizes: How many bytes a request to the target may have: what was learned on another collection counts here too.
        tally: What the target took and refused.
    """

    reader: CollectionReader
    target: Cluster
    plan: CollectionPlan
    ledger: Ledger
    lease: Lease
    page_entities: int
    exact: bool
    check: Callable[[], None]
    fence: Callable[[], None]
    turn: Callable[[int, int], AbstractContextManager[None]]
    settle: Callable[[], None]
    sizes: Sizes
    tally: Tally = field(default_factory=Tally)

    def run(self) -> None:
        """Copies every chunk that has no receipt yet.

        Raises:
            StopWork: `check` asked to stop; every written chunk has its receipt.
            FerryError: A server failed or refused; likewise.
        """
        pipeline(self._pending(), self.read, self.write)

    def read(self, chunk: Chunk) -> ReadChunk:
        """Reads a chunk until no page is left, and holds its entities against the plan, or against `count(*)`.

        Raises:
            DataUnreadable: What was read and what the source counts differ without a reason.
        """
        found = read_range(
            self.reader,
            chunk.range,
            self._limit(),
            keep_bytes=HELD_BYTES_MAX,
            without=self.plan.uncompared_field,
            known=partial(_as_planned, chunk.range) if self.exact else None,
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
        with self.turn(content.receipt.entities, content.receipt.bytes):
            self.fence()
            crashpoints.reached("writing")
            refused = self._write(content)
        crashpoints.reached("written")
        self.ledger.record_receipt(self.lease, chunk.id, content.receipt, refused or None)
        crashpoints.reached("receipt")

    def _write(self, content: ReadChunk) -> tuple[SetAside, ...]:
        """Writes a chunk; what the target does not take is found and returned."""
        key_range, writes = content.chunk.range, _Writes(self, content.chunk.attempted)
        lower = key_range.lower
        for page in content.pages:  # which may be read only now: what the source refuses is raised
            if page.bytes > self.sizes.now:  # it was read before a request of that size was refused
                break
            try:
                writes.put(key_range.partition, page)
            except MessageTooLarge:
                self.sizes.too_large(page.bytes)
                break
            except MilvusRefused as refusal:
                if not may_be_an_entitys(refusal):
                    raise
                break
            lower = page.keys[-1]
            self.tally.took(key_range.partition, lower)
        else:
            self.sizes.went_well()
            return ()
        rest, at_first = key_range.model_copy(update={"lower": lower}), self.sizes.now
        # After any other failure, as of the ledger or the source, a part stands there that was inserted and is not in doubt.
        refused = self.target.repeat(
            lambda: self._descent(writes.put).write(rest, self._limit(content.receipt)),
            after=(Undecided,),
        )
        if self.sizes.now == at_first:
            self.sizes.went_well()
        return refused

    def _descent(self, put: Callable[[str, Page], None]) -> Descent:
        return Descent(self.reader, put, self.fence, self.sizes, self.tally, self.takes_again)

    def takes_again(self, here: Place | None = None) -> bool:
        """Writes an entity once more that the target took before: where it does not take that, nothing is said of another one.

        Args:
            here: Such an entity of a range that has no receipt yet; None takes any.
        """
        # Where keys are deleted before they are written, a crash in between must not hit what has a receipt.
        known = here or (None if self.plan.keys is KeyPolicy.ALLOWED else self.tally.known)
        if known is None:
            return False
        partition, key = known
        page = next(self.reader.among(partition, [key], limit=1), None)
        if page is None:
            return False
        try:
            self.put(partition, page)
        except (MessageTooLarge, MilvusRefused):
            return False
        return True

    def put(self, partition: str, page: Page) -> None:
        """Upserts one page, until the target acknowledged it; a repeated upsert changes nothing."""
        self.target.repeat(lambda: self.send(partition, page, upsert=True))

    def send(self, partition: str, page: Page, *, upsert: bool) -> None:
        """Writes one page, once (`destination.send`)."""
        destination.send(self.target, self.plan, partition, page, in_doubt=upsert)

    def _pending(self) -> Iterator[Chunk]:
        """First what nobody wrote yet, last what is in doubt: an upsert settles only what was applied before it."""
        chunks = self.ledger.chunks(
            self.lease.migration_id, self.reader.collection, pending_only=True
        )
        in_doubt = []  # a few for each worker that was lost: what it had in flight
        while window := tuple(islice(chunks, ATTEMPT_WINDOW)):
            self.check()
            in_doubt += [chunk for chunk in window if chunk.attempted]
            fresh = [chunk for chunk in window if not chunk.attempted]
            if fresh:
                self.ledger.mark_attempted(self.lease, [chunk.id for chunk in fresh])
                crashpoints.reached("attempted")
            yield from self._checked(fresh)
        if in_doubt:
            self.settle()
            crashpoints.reached("settled")
            yield from self._checked(in_doubt)

    def _checked(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            self.check()
            yield chunk

    def _pages_of(self, key_range: ChunkRange, found: Content) -> Iterable[Page]:
        return tuple(found.pages) if found.kept else self._pages(key_range)

    def _pages(self, key_range: ChunkRange) -> Iterator[Page]:
        return self.reader.pages(
            key_range.partition, key_range.lower, key_range.upper, limit=self._limit()
        )

    def _limit(self, receipt: Receipt | None = None) -> int:
        """Entities per request, by their size as planned, or as the chunk's receipt says."""
        known = receipt or self.plan
        limit = self.sizes.entities(self.page_entities, known.bytes / max(known.entities, 1))
        return limit if receipt is None else max(1, min(limit, receipt.entities))

    def _explain_count(self, key_range: ChunkRange, found: Content) -> None:
        keys = [key for page in self._pages_of(key_range, found) for key in page.keys]
        sharing = duplicates.surplus(self.reader, key_range.partition, keys)
        if found.counted == found.digest.count + sharing:
            return
        if self.plan.primary_type == "INT64" and self.reader.hidden(key_range.partition):
            raise DataUnreadable(
                last_key_hidden(self.plan.name, "its server"),
                state="All chunks with a receipt are on the target; that entity is not, nor what shares its range of keys.",
                next_step="Once it has another key, make a new request: its plan is made of what is there then.",
            )
        raise DataUnreadable(
            f"{key_range.collection}: in one range of keys the source counts {found.counted} entities "
            f"and answers {found.digest.count}.",
            state="Nothing of this range was written in this attempt.",
            next_step="Make sure that nobody writes to the source, then resume.",
        )


def _as_planned(key_range: ChunkRange, found: ContentDigest) -> bool:
    return found.count == key_range.entities


@dataclass
class _Writes:
    """Writes the pages of one chunk: inserts them, and upserts them from the first on whose outcome is unknown.

    Args:
        copier: Sends them.
        in_doubt: Whether something of the chunk may stand on the target that nobody heard of: an answer was lost, or a
            refusal was not certain. That never ends: one that is refused later says nothing about one that was lost before.
    """

    copier: Copier
    in_doubt: bool

    def put(self, partition: str, page: Page) -> None:
        """Writes one page."""
        if not self.in_doubt:
            try:
                return self.copier.send(partition, page, upsert=False)
            except ServiceUnavailable:
                self.in_doubt = True
                self.copier.fence()  # when the attempt must end, a lost insert was not waited for: it may come after an upsert
            except (MessageTooLarge, MilvusRefused) as refusal:
                self.in_doubt = not refusal.certain
                if self.in_doubt and self.copier.plan.keys is KeyPolicy.NEW:
                    target, plan = self.copier.target, self.copier.plan
                    raise destination.must_start_over(target, plan, refusal.message) from refusal
                raise
        return self.copier.put(partition, page)

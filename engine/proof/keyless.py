"""Proves a collection whose keys the target made anew: by the content of its entities without the key, partition by partition.

Which source entity became which target entity cannot be told; how often each content stands on either side can. Where a partition
differs, both sides are read again, a share of the hashes at a time, so that memory does not grow with the data. Nothing is written
to a cluster here.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from engine import crashpoints
from engine.content import read_range
from engine.executors import pipeline
from engine.ledger import Ledger
from engine.milvus.canonical_page import canonical_page
from engine.milvus.connection import Cluster
from engine.milvus.pages import CollectionReader
from engine.model import (
    EXAMPLES_MAX,
    Chunk,
    ChunkRange,
    CollectionPlan,
    CollectionReport,
    Found,
    KeyPolicy,
    Lease,
    Mismatch,
    MismatchKind,
    PrimaryKey,
)
from engine.proof.digest import ContentDigest, entity_hashes
from engine.proof.gaps import explain_gap
from engine.proof.proving import Proof
from engine.proof.tally import Listing, Uncompared
from engine.proof.verifier import Verifier
from engine.ranges import chunk_entities, cut

SHARE_ENTITIES: Final = 200_000
"""Entities of a side whose hashes are held at a time while a difference is explained."""

NAMED_MAX: Final = 10_000
"""Entities of a partition that are named; all are counted."""

_NOTE: Final = (
    "The target made new primary keys: it was proved by content without the key; keys of what is missing are the source's, "
    "of what is extra the target's."
)


def proof_of(
    source: Cluster,
    target: Cluster,
    plan: CollectionPlan,
    check: Callable[[], None],
    *,
    check_source: bool = False,
) -> Proof:
    """The proof that a collection's keys call for; the arguments are those of `Proof`."""
    kind = KeylessProof if plan.keys is KeyPolicy.NEW else Proof
    return kind(source, target, plan, check, check_source)


def partition_digest(
    reader: CollectionReader,
    plan: CollectionPlan,
    partition: str,
    check: Callable[[], None],
) -> ContentDigest:
    """The content of a whole partition without the key.

    Args:
        reader: Where to read.
        plan: The collection.
        partition: Which partition.
        check: Called between ranges; raises a `StopWork` when the reading must end.
    """
    whole, lock = ContentDigest(), threading.Lock()
    size = chunk_entities(plan.entities, plan.bytes)

    def read(key_range: ChunkRange) -> ContentDigest:
        return read_range(reader, key_range, size, without=plan.uncompared_field).digest

    def add(digest: ContentDigest) -> None:
        with lock:
            whole.merge(digest)

    def ranges() -> Iterator[ChunkRange]:
        for key_range in cut(reader.keys(partition), plan.name, partition, size):
            check()
            yield key_range

    pipeline(ranges(), read, add)
    return whole


def copied_digests(chunks: Iterable[Chunk]) -> dict[str, ContentDigest]:
    """What the receipts of a collection's chunks say of each partition."""
    digests: defaultdict[str, ContentDigest] = defaultdict(ContentDigest)
    for chunk in chunks:
        if chunk.receipt:
            digest = ContentDigest.of_receipt(chunk.receipt.entities, chunk.receipt.digest)
            digests[chunk.range.partition].merge(digest)
    return digests


@dataclass(frozen=True)
class KeylessProof(Proof):
    """The proof of one collection whose keys are not the source's."""

    def of_migration(self, ledger: Ledger, lease: Lease) -> CollectionReport:
        """Holds each partition of the target against the receipts of its chunks and records what is found."""

        def chunks() -> Iterator[Chunk]:
            for chunk in ledger.chunks(lease.migration_id, self.plan.name):
                self.check()
                yield chunk

        source, verifier = self._readers()
        expected = copied_digests(chunks())
        gap = self._gap(verifier, ledger, lease, _entities(expected))
        if gap.fault:  # the receipts are out of date: both sides are read, to name the keys
            expected = self._digests(source)
        else:
            doubted = {chunk.range.partition for chunk in chunks() if chunk.doubted}
            expected |= {name: self._digest(source, name) for name in doubted}
        found = self._compared(source, verifier, expected)
        named = dict(found.named)
        for chunk in chunks():
            crashpoints.reached("compared")
            ledger.record_verified(lease, chunk.id, named.pop(chunk.range.partition, ()))
            crashpoints.reached("comparison_recorded")
        if gap.fault:
            gap = self._both_read(ledger, lease, gap, _entities(expected))
        report = found.added_to(self._base(verifier, gap))
        faults = (*self._faults(verifier, gap), *self._redefined(ledger, lease))
        return self._judged(report, gap, Uncompared(), faults)

    def of_databases(self, listing: Listing | None = None) -> CollectionReport:
        """Reads both sides, whoever copied them, and compares them partition by partition."""
        source, verifier = self._readers()
        expected = self._digests(source)
        gap = explain_gap(source, self.plan, _entities(expected))
        found = self._compared(source, verifier, expected, listing)
        faults = (*self._faults(verifier, gap, settled=True), *self._missing_aliases())
        report = found.added_to(self._base(verifier, gap))
        return self._judged(report, gap, Uncompared(), faults)

    def _compared(
        self,
        source: CollectionReader,
        verifier: Verifier,
        expected: Mapping[str, ContentDigest],
        listing: Listing | None = None,
    ) -> "_Found":
        found = _Found(self.plan.name, listing)
        for partition in self.plan.partitions:
            name = partition.name
            wanted = expected.get(name, ContentDigest())
            if self._digest(verifier.target, name) != wanted:
                found.add(name, self._explained(source, verifier.target, name, wanted.count))
        return found

    def _digests(self, reader: CollectionReader) -> dict[str, ContentDigest]:
        return {each.name: self._digest(reader, each.name) for each in self.plan.partitions}

    def _digest(self, reader: CollectionReader, partition: str) -> ContentDigest:
        return partition_digest(reader, self.plan, partition, self.check)

    def _explained(
        self,
        source: CollectionReader,
        target: CollectionReader,
        partition: str,
        entities: int,
    ) -> Iterator[Mismatch]:
        """Names what stands on one side more often than on the other, by the keys of that side."""
        shares = entities // SHARE_ENTITIES + 1
        for share in range(shares):
            ours = self._held(source, partition, share, shares)
            theirs = self._held(target, partition, share, shares)
            yield from _surplus(ours, theirs, partition, MismatchKind.MISSING)
            yield from _surplus(theirs, ours, partition, MismatchKind.EXTRA)

    def _held(
        self, reader: CollectionReader, partition: str, share: int, shares: int
    ) -> dict[int, list[PrimaryKey]]:
        """The keys of each content, for one share of the hashes."""
        held: defaultdict[int, list[PrimaryKey]] = defaultdict(list)
        size = chunk_entities(self.plan.entities, self.plan.bytes)
        for page in reader.pages(partition, limit=size):
            self.check()
            columns = canonical_page(page)
            columns.pop(self.plan.uncompared_field, None)
            for key, content in zip(page.keys, entity_hashes(columns), strict=True):
                if content % shares == share:
                    held[content].append(key)
        return held


def _surplus(
    here: dict[int, list[PrimaryKey]],
    there: dict[int, list[PrimaryKey]],
    partition: str,
    kind: MismatchKind,
) -> Iterator[Mismatch]:
    for content, keys in here.items():
        for key in keys[len(there.get(content, ())) :]:
            yield Mismatch(partition=partition, pk=key, kind=kind)


class _Found:
    """Counts what differs and keeps the first findings of each partition."""

    def __init__(self, collection: str, listing: Listing | None) -> None:
        self.named: dict[str, list[Mismatch]] = {}
        self._collection = collection
        self._listing = listing
        self._kinds: Counter[MismatchKind] = Counter()

    def add(self, partition: str, mismatches: Iterable[Mismatch]) -> None:
        """Adds what is found in a partition."""
        named = self.named.setdefault(partition, [])
        for mismatch in mismatches:
            self._kinds[mismatch.kind] += 1
            if self._listing is not None:
                self._listing(Found.of_mismatch(self._collection, mismatch))
            if len(named) < NAMED_MAX:
                named.append(mismatch)

    def added_to(self, report: CollectionReport) -> CollectionReport:
        """The report with what was found."""
        examples = [mismatch for named in self.named.values() for mismatch in named]
        return report.model_copy(
            update={
                "missing": self._kinds[MismatchKind.MISSING],
                "extra": report.extra + self._kinds[MismatchKind.EXTRA],
                "examples": tuple(examples[:EXAMPLES_MAX]),
                "notes": (*report.notes, _NOTE),
            }
        )


def _entities(digests: Mapping[str, ContentDigest]) -> int:
    return sum(digest.count for digest in digests.values())

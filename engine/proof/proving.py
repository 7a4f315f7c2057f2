"""Proves one collection and explains every gap: the definition, the counts, the entities.

A migration is proved against its receipts; two databases are compared by reading both. Nothing is
written to a cluster here.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from engine import crashpoints
from engine.ledger import Ledger
from engine.milvus import definitions, properties
from engine.milvus.connection import Cluster
from engine.milvus.pages import CollectionReader
from engine.milvus.survey import last_key_hidden, reader_of
from engine.model import (
    Chunk,
    CollectionPlan,
    CollectionReport,
    Lease,
    MismatchKind,
    Reason,
    SearchComparison,
)
from engine.proof.drift import SAMPLE_CHUNKS, reread, sample, sampled, seed_of
from engine.proof.gaps import Gap, explain_gap, written
from engine.proof.redefined import made_anew, redefined
from engine.proof.searches import RANGES, compare_searches, sentences
from engine.proof.tally import Listing, Tally, Uncompared
from engine.proof.verifier import Finding, Verifier
from engine.ranges import chunk_entities, plan_ranges
from engine.reports import findings


@dataclass(frozen=True)
class Proof:
    """The proof of one collection that is loaded on both sides.

    Args:
        source: The source cluster.
        target: The target cluster.
        plan: The source's collection as surveyed.
        check: Called between chunks; raises a `StopWork` when the work must end.
        check_source: Whether all of the source is read again, to find writes that leave its counts as they were.
    """

    source: Cluster
    target: Cluster
    plan: CollectionPlan
    check: Callable[[], None]
    check_source: bool = False

    def of_migration(self, ledger: Ledger, lease: Lease) -> CollectionReport:
        """Holds the target against the receipts and records every finding in the ledger.

        Chunks that an interrupted verification found the same are not read again. Entities that share a key are looked
        for where the target counts more than was found: each chunk is counted only then.
        """
        migration, name = lease.migration_id, self.plan.name
        _, verifier = self._readers()
        compared = partial(self._recorded, verifier, ledger, lease)

        def chunks() -> Iterator[Chunk]:
            return ledger.chunks(migration, name)

        unproved = ledger.chunks(migration, name, unproved_only=True)
        uncompared = compared(unproved, counted=False)
        if self._counts_otherwise(verifier, ledger, migration):
            ledger.clear_verification(lease, name)
            uncompared = compared(chunks(), counted=True)
        copied = ledger.chunk_sums(migration, name).copied
        gap = self._gap(verifier, ledger, lease, copied)
        if gap.fault:
            # The receipts are out of date: both sides are read, to name the keys.
            ledger.clear_verification(lease, name)
            uncompared = compared(map(_without_receipt, chunks()), counted=True)
            if not uncompared.faults:
                gap = self._both_read(ledger, lease, gap, uncompared.others)
        report = findings(ledger, migration, self._base(verifier, gap))

        def searched() -> tuple[SearchComparison, ...]:
            return self._searched(verifier, self._sample(ledger, migration, RANGES, name))

        faults = (*self._faults(verifier, gap), *self._redefined(ledger, lease))
        return self._judged(report, gap, uncompared, faults, searched)

    def of_databases(self, listing: Listing | None = None) -> CollectionReport:
        """Reads both sides, whoever copied them, and compares every entity.

        Args:
            listing: Gets every mismatch, as it is found.
        """
        source, verifier = self._readers()
        size = chunk_entities(self.plan.entities, self.plan.bytes)
        ranges = plan_ranges(source.keys, self.plan, size)
        tally = Tally(self.plan.name, listing)
        chosen: list[Chunk] = []
        chunks = (Chunk(id=each.ordinal, range=each) for each in ranges)
        verifier.run(sampled(chunks, RANGES, self.plan.name, chosen), tally.record)
        for partition, _ in self._surplus_partitions(verifier):
            tally.whole(verifier.target, partition, MismatchKind.EXTRA, Reason.PARTITION)
        gap = explain_gap(source, self.plan, tally.source_entities)
        report = tally.added_to(self._base(verifier, gap))
        faults = (*self._faults(verifier, gap, settled=True), *self._missing_aliases())
        searched = partial(self._searched, verifier, chosen)
        return self._expiry_told(self._judged(report, gap, tally.uncompared, faults, searched))

    def _expiry_told(self, report: CollectionReport) -> CollectionReport:
        """Says why entities may be extra where lifetimes began again on the target."""
        lifetime = properties.lifetime(self.plan.properties)
        if not (lifetime and report.extra):
            return report
        note = (
            f"Entities expire here ({lifetime}), and their lifetimes began again on the target when the copy was proved: "
            "what is extra there may have expired on the source."
        )
        return report.model_copy(update={"notes": (*report.notes, note)})

    def _counts_otherwise(self, verifier: Verifier, ledger: Ledger, migration: str) -> bool:
        """Whether the target counts other than was found: entities share a key, or a chunk is not as it was proved earlier."""
        found = ledger.mismatch_counts(migration, self.plan.name).get(self.plan.name, {})
        copied = ledger.chunk_sums(migration, self.plan.name).copied
        surplus = sum(entities for _, entities in self._surplus_partitions(verifier))
        explained = found.get(MismatchKind.EXTRA, 0) - found.get(MismatchKind.MISSING, 0) + surplus
        return self._counted(copied + explained, verifier.target) != copied + explained

    def _readers(self) -> tuple[CollectionReader, Verifier]:
        source, target = self._reader(self.source), self._reader(self.target)
        size = chunk_entities(self.plan.entities, self.plan.bytes)
        return source, Verifier(source, target, size, self.check)

    def _reader(self, cluster: Cluster) -> CollectionReader:
        """Reads one side, which may lack a partition of the plan: it was dropped there since."""
        present = definitions.partition_names(cluster, self.plan.name)
        planned = {partition.name for partition in self.plan.partitions}
        absent = frozenset(planned.difference(present, {""}))
        return replace(reader_of(cluster, self.plan), absent=absent)

    def _recorded(
        self,
        verifier: Verifier,
        ledger: Ledger,
        lease: Lease,
        chunks: Iterable[Chunk],
        *,
        counted: bool,
    ) -> Uncompared:
        """Compares chunks and records every finding; one that is doubted is read on both sides."""
        uncompared = Uncompared()

        def record(finding: Finding) -> None:
            if finding.error:
                ledger.record_uncompared(lease, finding.chunk.id)
                uncompared.add(finding)
                return
            crashpoints.reached("compared")
            ledger.record_verified(lease, finding.chunk.id, finding.mismatches)
            crashpoints.reached("comparison_recorded")
            uncompared.add_other(finding)

        believed = (_without_receipt(each) if each.doubted else each for each in chunks)
        verifier.run(believed, record, counted=counted)
        return uncompared

    def _gap(self, verifier: Verifier, ledger: Ledger, lease: Lease, copied: int) -> Gap:
        """Explains the source's counts, and reads of it again what they do not show to be written to."""
        shared = self._shared(ledger, lease)
        least = 0 if properties.expires(self.plan.properties) else shared
        sharing = None if shared is None or least is None else range(least, shared + 1)
        chunks: Iterable[Chunk]
        ranges: tuple[int, ...] = ()
        if self.check_source:
            chunks = ledger.chunks(lease.migration_id, self.plan.name)
        else:
            asked = ledger.times_asked(lease.migration_id)
            seed = seed_of(lease.migration_id, asked, self.plan.name)
            chunks = self._sample(ledger, lease.migration_id, SAMPLE_CHUNKS, seed)
            ranges = tuple(sorted(chunk.range.ordinal for chunk in chunks))
        gap = explain_gap(verifier.source, self.plan, copied, sharing)
        gap = replace(gap, fault=gap.fault or made_anew(self.source, self.plan))
        gap = self._held_still(verifier, chunks, gap, sharing)
        gap = replace(gap, ranges=ranges if gap.checked else ())
        if gap.hidden:
            ledger.doubt_receipts(lease, self.plan.name)
        return gap

    def _redefined(self, ledger: Ledger, lease: Lease) -> tuple[str, ...]:
        """What of the source is defined otherwise than planned; asked last, so that it counts until the end of the proof."""
        state = ledger.collection_state(lease.migration_id, self.plan.name)
        return redefined(self.source, self.plan, handed_over=state.handed_over)

    def _both_read(self, ledger: Ledger, lease: Lease, gap: Gap, answered: int) -> Gap:
        """Where both sides were read whole and are the same, what was written to the source meanwhile is a note.

        Args:
            ledger: Holds what was found.
            lease: The worker's right.
            gap: Has a fault.
            answered: Entities that the source answered when it was read.
        """
        if gap.hidden or ledger.mismatch_counts(lease.migration_id, self.plan.name):
            return gap
        shared = self._shared(ledger, lease)
        sharing = None if shared is None else range(shared + 1)
        again = explain_gap(self._reader(self.source), self.plan, answered, sharing)
        if again.hidden:
            ledger.doubt_receipts(lease, self.plan.name)
        since = f"{gap.fault} Both sides were read whole after that, and are the same."
        return replace(
            again, checked=gap.checked, ranges=gap.ranges, since="" if again.fault else since
        )

    def _shared(self, ledger: Ledger, lease: Lease) -> int | None:
        """How many entities shared the key of another one when the chunks were planned; None where nobody looked."""
        return ledger.collection_state(lease.migration_id, self.plan.name).source_surplus

    def _sample(self, ledger: Ledger, migration: str, size: int, seed: str) -> tuple[Chunk, ...]:
        """So many of the collection's chunks, the same ones for the same seed; only these are read."""
        known = ledger.chunk_sums(migration, self.plan.name).chunks
        return ledger.chunks_at(migration, self.plan.name, sample(range(known), size, seed))

    def _held_still(
        self, verifier: Verifier, chunks: Iterable[Chunk], gap: Gap, sharing: range | None
    ) -> Gap:
        """Reads some of the source again, or all of it, where the counts do not show already that it was written to."""
        if gap.fault:
            return gap
        drift = reread(
            verifier.source,
            chunks,
            chunk_entities(self.plan.entities, self.plan.bytes),
            self.check,
            self.plan.uncompared_field,
            expires=properties.expires(self.plan.properties),
            counted=self.check_source,
            differing=None if self.plan.uncompared_field else verifier.explain,
        )
        if sharing is not None and drift.surplus > sharing[-1]:
            gap = written(self.plan.name, gap.source_entities, drift.surplus, sharing)
            return replace(gap, checked=drift.entities)
        return replace(gap, checked=drift.entities, fault=drift.fault)

    def _base(self, verifier: Verifier, gap: Gap) -> CollectionReport:
        return CollectionReport(
            name=self.plan.name,
            source_entities=gap.source_entities,
            extra=sum(entities for _, entities in self._surplus_partitions(verifier)),
            notes=tuple(note for note in (gap.since, gap.note, self._drift(gap)) if note),
        )

    def _drift(self, gap: Gap) -> str:
        """What was written to the source before its chunks were read is in the copy, but was not in the plan."""
        planned = self.plan.entities
        if gap.fault or not self.plan.loaded or gap.source_entities == planned:
            return ""
        return (
            f"The source changed after it was planned: it held {planned:,} entities then and "
            f"{gap.source_entities:,} when it was verified."
        )

    def _judged(
        self,
        report: CollectionReport,
        gap: Gap,
        uncompared: Uncompared,
        faults: tuple[str, ...],
        searched: Callable[[], tuple[SearchComparison, ...]] = tuple,
    ) -> CollectionReport:
        """Adds the verdict, and what searches find where it is a good one; they change nothing about it."""
        unequal = report.missing + report.different + uncompared.entities
        faults = (*faults, *uncompared.faults)
        after = reader_of(self.target, self.plan)
        # A server takes 0.2 s to reach a read point (measured): the searches are made meanwhile.
        doubtful = unequal or report.extra or faults or gap.expired
        searches = () if doubtful else searched()
        explained = gap.answered - report.missing + report.extra
        counted = self._counted(explained, after)
        still = not (gap.fault or uncompared.faults)
        fault, note = self._unexplained(counted, explained, after) if still else ("", "")
        faults = (*faults, *filter(None, [fault]))
        searches = () if fault else searches
        changes = {
            "target_entities": counted,
            "verified": not (unequal or report.extra or faults),
            "same": max(0, gap.source_entities - gap.surplus - unequal),
            "errors": uncompared.entities,
            "source_checked": gap.checked,
            "source_ranges": gap.ranges,
            "notes": (
                *faults,
                *filter(None, [note]),
                *report.notes,
                *sentences(searches, gap.surplus),
            ),
            "searches": searches,
        }
        return report.model_copy(update=changes)

    def _counted(self, explained: int, target: CollectionReader) -> int:
        """What the target counts; asked again at a new read point where it is not what was found: a count may lag behind."""
        counted = target.count("")
        if counted == explained:
            return counted
        return reader_of(self.target, self.plan).count("")

    def _unexplained(
        self, counted: int, explained: int, target: CollectionReader
    ) -> tuple[str, str]:
        """Says why the target counts other than was found there, as a fault or as a note; the other is "", or both are."""
        gone = explained - counted
        if gone == 0:
            return "", ""
        # Its own: the lifetime comes last, and nothing expires there before.
        lifetime = properties.lifetime(definitions.properties_of(self.target, self.plan.name))
        if gone > 0 and lifetime:
            return "", (
                f"{gone:,} of the entities that were compared are gone from the target since, where they expire ({lifetime})."
            )
        if gone < 0 and self.plan.primary_type == "INT64" and target.hidden() == -gone:
            return last_key_hidden(self.plan.name, "the target"), ""
        return (
            f"The target counts {counted:,} entities, and what was compared explains {explained:,}: "
            "someone wrote to it meanwhile. Verify again once nobody does."
        ), ""

    def _searched(
        self, verifier: Verifier, chunks: Iterable[Chunk]
    ) -> tuple[SearchComparison, ...]:
        places = [chunk.range for chunk in chunks]
        return compare_searches(verifier.source, verifier.target, self.plan, places)

    def _faults(self, verifier: Verifier, gap: Gap, *, settled: bool = False) -> tuple[str, ...]:
        surplus = self._surplus_partitions(verifier)
        return (
            *definitions.differences(self.target, self.plan, settled=settled),
            *(f"partition “{name}” is missing" for name in sorted(verifier.target.absent)),
            *(f"partition “{name}” is extra, with {n} entities" for name, n in surplus),
            *((gap.fault,) if gap.fault else ()),
        )

    def _missing_aliases(self) -> Iterator[str]:
        present = definitions.aliases(self.target, self.plan.name)
        return (f"alias “{name}” is missing" for name in self.plan.aliases if name not in present)

    def _surplus_partitions(self, verifier: Verifier) -> list[tuple[str, int]]:
        if self.plan.partition_key:
            return []
        planned = {partition.name for partition in self.plan.partitions}
        present = definitions.partition_names(self.target, self.plan.name)
        return [(name, verifier.target.count(name)) for name in present if name not in planned]


def _without_receipt(chunk: Chunk) -> Chunk:
    return chunk.model_copy(update={"receipt": None})

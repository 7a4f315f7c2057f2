"""Proves one collection and explains every gap: the definition, the counts, the entities.

A migration is proved against its receipts; two databases are compared by reading both. Nothing is
written to a cluster here.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engine import crashpoints
from engine.ledger import Ledger
from engine.milvus import definitions, duplicates
from engine.milvus.connection import Cluster
from engine.milvus.pages import CollectionReader
from engine.milvus.survey import reader_of
from engine.model import (
    EXAMPLES_MAX,
    Chunk,
    CollectionPlan,
    CollectionReport,
    Lease,
    Mismatch,
    MismatchKind,
)
from engine.ranges import chunk_entities, plan_ranges
from engine.reports import findings
from engine.verifier import Finding, Verifier


@dataclass(frozen=True)
class _Gap:
    """What the source counts, and why it answered another number: a note explains, a fault does not."""

    source_entities: int
    note: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Proof:
    """The proof of one collection that is loaded on both sides.

    Args:
        source: The source cluster.
        target: The target cluster.
        plan: The source's collection as surveyed.
        check: Called between chunks; raises a `StopWork` when the work must end.
    """

    source: Cluster
    target: Cluster
    plan: CollectionPlan
    check: Callable[[], None]

    def of_migration(self, ledger: Ledger, lease: Lease) -> CollectionReport:
        """Holds the target against the receipts and records every finding in the ledger.

        Chunks that an interrupted verification found the same are not read again.
        """
        migration, name = lease.migration_id, self.plan.name
        source, verifier = self._readers()

        def record(finding: Finding) -> None:
            same = not finding.mismatches
            crashpoints.reached("compared")
            ledger.record_verified(lease, finding.chunk.id, same, finding.mismatches)
            crashpoints.reached("comparison_recorded")

        unproved = (c for c in ledger.chunks(migration, name) if c.verified is not True)
        verifier.run(unproved, record)
        if self._moved_on(verifier, ledger, migration):
            verifier.run(ledger.chunks(migration, name), record)
        copied = sum(c.receipt.entities for c in ledger.chunks(migration, name) if c.receipt)
        gap = self._gap(source, copied)
        if gap.fault:
            # The receipts are out of date: both sides are read, to name the keys.
            verifier.run(map(_without_receipt, ledger.chunks(migration, name)), record)
        report = findings(ledger, migration, self._base(verifier, gap))
        return self._judged(report, self._faults(verifier, gap))

    def of_databases(self) -> CollectionReport:
        """Reads both sides, whoever copied them, and compares every entity."""
        source, verifier = self._readers()
        size = chunk_entities(self.plan.entities, self.plan.bytes)
        ranges = plan_ranges(source.keys, self.plan, size)
        tally = _Tally()
        verifier.run((Chunk(id=each.ordinal, range=each) for each in ranges), tally.record)
        gap = self._gap(source, tally.source_entities)
        report = tally.added_to(self._base(verifier, gap))
        faults = self._faults(verifier, gap, settled=True)
        return self._judged(report, (*faults, *self._missing_aliases()))

    def _moved_on(self, verifier: Verifier, ledger: Ledger, migration: str) -> bool:
        """Whether the target counts other than was found: then a chunk that an earlier attempt proved is not as it was."""
        found = ledger.mismatch_counts(migration).get(self.plan.name, {})
        copied = sum(
            c.receipt.entities for c in ledger.chunks(migration, self.plan.name) if c.receipt
        )
        surplus = sum(entities for _, entities in self._surplus_partitions(verifier))
        explained = found.get(MismatchKind.EXTRA, 0) - found.get(MismatchKind.MISSING, 0) + surplus
        return verifier.target.count("") != copied + explained

    def _readers(self) -> tuple[CollectionReader, Verifier]:
        source, target = reader_of(self.source, self.plan), reader_of(self.target, self.plan)
        size = chunk_entities(self.plan.entities, self.plan.bytes)
        present = definitions.partition_names(self.target, self.plan.name)
        absent = {partition.name for partition in self.plan.partitions} - {"", *present}
        return source, Verifier(source, target, size, self.check, frozenset(absent))

    def _gap(self, source: CollectionReader, answered: int) -> _Gap:
        """Explains why the source counts other than it answered, by the keys that entities share."""
        counted = source.count("")
        if counted == answered:
            return _Gap(counted)
        shared = [
            entities
            for partition in self.plan.partitions
            for keys in source.keys(partition.name)
            for _, entities in duplicates.repeated_keys(source, partition.name, keys)
        ]
        surplus = sum(entities - 1 for entities in shared)
        if surplus == counted - answered:
            return _Gap(
                counted,
                note=f"On the source {len(shared)} keys are shared by {sum(shared)} entities; a query "
                f"answers one of each key, and that one was copied ({surplus} were not).",
            )
        return _Gap(
            counted,
            fault=f"The source was written to meanwhile: it holds {counted} entities now, "
            f"and {answered} were read.",
        )

    def _base(self, verifier: Verifier, gap: _Gap) -> CollectionReport:
        return CollectionReport(
            name=self.plan.name,
            source_entities=gap.source_entities,
            target_entities=verifier.target.count(""),
            extra=sum(entities for _, entities in self._surplus_partitions(verifier)),
            notes=tuple(note for note in (gap.note, self._drift(gap)) if note),
        )

    def _drift(self, gap: _Gap) -> str:
        """What was written to the source before its chunks were read is in the copy, but was not in the plan."""
        planned = self.plan.entities
        if gap.fault or not self.plan.loaded or gap.source_entities == planned:
            return ""
        return (
            f"The source changed after it was planned: it held {planned:,} entities then and "
            f"{gap.source_entities:,} when it was verified."
        )

    def _judged(self, report: CollectionReport, faults: tuple[str, ...]) -> CollectionReport:
        same = not (report.missing or report.extra or report.different)
        return report.model_copy(
            update={"verified": same and not faults, "notes": (*faults, *report.notes)}
        )

    def _faults(self, verifier: Verifier, gap: _Gap, *, settled: bool = False) -> tuple[str, ...]:
        surplus = self._surplus_partitions(verifier)
        return (
            *definitions.differences(self.target, self.plan, settled=settled),
            *(f"partition “{name}” is missing" for name in sorted(verifier.absent)),
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


class _Tally:
    """Counts findings and keeps the first few; `record` may be called from several threads."""

    def __init__(self) -> None:
        self.source_entities = 0
        self._kinds: Counter[MismatchKind] = Counter()
        self._examples: list[Mismatch] = []
        self._lock = threading.Lock()

    def record(self, finding: Finding) -> None:
        """Adds one finding."""
        with self._lock:
            self.source_entities += finding.source_entities
            self._kinds.update(mismatch.kind for mismatch in finding.mismatches)
            room = EXAMPLES_MAX - len(self._examples)
            self._examples.extend(finding.mismatches[:room])

    def added_to(self, report: CollectionReport) -> CollectionReport:
        """The report with what was found."""
        return report.model_copy(
            update={
                "missing": self._kinds[MismatchKind.MISSING],
                "extra": report.extra + self._kinds[MismatchKind.EXTRA],
                "different": self._kinds[MismatchKind.DIFFERENT],
                "examples": tuple(self._examples),
            }
        )


def _without_receipt(chunk: Chunk) -> Chunk:
    return chunk.model_copy(update={"receipt": None})

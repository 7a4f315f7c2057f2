"""Counts what comparisons found, keeps the first few, and passes each on to whoever lists them all.

Memory does not grow with the findings. Nothing is read or compared here, but a finding's mismatches are drawn here.
"""

import threading
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from engine.milvus.pages import CollectionReader
from engine.model import EXAMPLES_MAX, CollectionReport, Found, Mismatch, MismatchKind, Reason
from engine.proof.verifier import Finding

Listing: TypeAlias = Callable[[Found], None]
"""Takes each line of the whole list of what was found; one call at a time."""


class Uncompared:
    """The ranges of keys that could not be compared; both ways to add may be called from several threads.

    Attributes:
        entities: Their entities on the source.
        others: The source's entities in the ranges that were compared.
    """

    def __init__(self) -> None:
        self.entities = 0
        self.others = 0
        self._ranges = 0
        self._first = ""
        self._lock = threading.Lock()

    def add(self, finding: Finding) -> None:
        """Counts a range with an error."""
        with self._lock:
            self.entities += finding.source_entities
            self._ranges += 1
            self._first = self._first or finding.error

    def add_other(self, finding: Finding) -> None:
        """Counts a range that was compared."""
        with self._lock:
            self.others += finding.source_entities

    @property
    def faults(self) -> tuple[str, ...]:
        """One sentence, or none."""
        if not self._ranges:
            return ()
        what = f"{self.entities:,} entities in {self._ranges:,} ranges of keys"
        return (f"{what} could not be compared: {self._first}",)


class Tally:
    """Counts findings; `record` may be called from several threads.

    Args:
        collection: The collection's name.
        listing: Gets every mismatch and every range that could not be compared.
    """

    def __init__(self, collection: str, listing: Listing | None = None) -> None:
        self.source_entities = 0
        self.uncompared = Uncompared()
        self._collection = collection
        self._listing = listing
        self._kinds: Counter[MismatchKind] = Counter()
        self._examples: list[Mismatch] = []
        self._lock = threading.Lock()

    def record(self, finding: Finding) -> None:
        """Adds one finding, and draws its mismatches."""
        if finding.error:
            self.uncompared.add(finding)
            self._list(Found.of_error(finding.chunk.range, finding.error))
        for mismatch in finding.mismatches:
            self.add(mismatch)
        with self._lock:
            self.source_entities += finding.source_entities

    def add(self, mismatch: Mismatch) -> None:
        """Counts one mismatch."""
        with self._lock:
            self._kinds[mismatch.kind] += 1
            if len(self._examples) < EXAMPLES_MAX:
                self._examples.append(mismatch)
        self._list(Found.of_mismatch(self._collection, mismatch))

    def whole(
        self,
        reader: CollectionReader,
        partition: str,
        kind: MismatchKind,
        reason: Reason | None = None,
    ) -> None:
        """Adds every key of a partition ("" for all) that only one side has."""
        for keys in reader.keys(partition):
            for key in keys:
                self.add(Mismatch(partition=partition, pk=key, kind=kind, reason=reason))

    def added_to(self, report: CollectionReport) -> CollectionReport:
        """The report with what was found."""
        return report.model_copy(
            update={
                "missing": self._kinds[MismatchKind.MISSING],
                "extra": self._kinds[MismatchKind.EXTRA],
                "different": self._kinds[MismatchKind.DIFFERENT],
                "examples": tuple(self._examples),
            }
        )

    def _list(self, found: Found) -> None:
        if self._listing is not None:
            with self._lock:
                self._listing(found)

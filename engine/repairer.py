"""Mends what a verification found: of the chunks that did not verify, just the keys that it named.

Each of them becomes on the target what the source holds under it now: written where it is missing or different, deleted where the
source has none, deleted and written once where several entities share it. All of it can be repeated after a crash. Nothing here
says that the result is right: a mended chunk gets a new receipt and is verified again. Only collections that the migration made
come here (`preparer.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from engine import crashpoints
from engine.copier import Copier
from engine.descent import Undecided, undecided
from engine.executors import pipeline
from engine.milvus import writing
from engine.milvus.failures import MessageTooLarge, MilvusRefused, may_be_an_entitys
from engine.model import Chunk, Mismatch, MismatchKind, PrimaryKey, Receipt, SetAside

_FINDINGS: Final = 500
"""Findings that are mended at a time: as many keys stand in one expression at most."""


class _Mended(NamedTuple):
    chunk: Chunk
    receipt: Receipt
    set_aside: tuple[SetAside, ...]


@dataclass(frozen=True)
class Repairer:
    """Mends one collection.

    Args:
        copier: Reads the source and knows the target, the ledger, the lease and when to stop.
    """

    copier: Copier
    _done: list[tuple[int, int]] = field(default_factory=list)

    def run(self) -> dict[str, int]:
        """Mends every chunk that did not verify.

        Returns:
            How many keys were "written" and how many "deleted"; a key that was both counts in both.

        Raises:
            StopWork: The work must end; what is not mended yet can be mended later.
            FerryError: A server failed or refused; likewise.
        """
        self.copier.settle()  # a delete of a worker that was lost would take away what is written here
        pipeline(self._bad(), self._mend, self._record)
        written, deleted = (sum(each) for each in zip((0, 0), *self._done, strict=True))
        return {"written": written, "deleted": deleted}

    def _bad(self) -> Iterator[Chunk]:
        copier = self.copier
        for chunk in copier.ledger.chunks(
            copier.lease.migration_id, copier.reader.collection, unproved_only=True
        ):
            copier.check()
            if chunk.verified is False:
                yield chunk

    def _mend(self, chunk: Chunk) -> _Mended:
        aside: list[SetAside] = []
        refused = self.copier.ledger.set_aside(
            self.copier.lease.migration_id, chunk.range.collection
        )
        earlier = frozenset(each.pk for each in refused.get(chunk.id, ()))
        for findings in self._findings(chunk):
            aside += self._mend_keys(chunk.range.partition, findings, earlier)
        return _Mended(chunk, self.copier.read(chunk).receipt, tuple(aside))

    def _record(self, mended: _Mended) -> None:
        self.copier.ledger.record_receipt(
            self.copier.lease, mended.chunk.id, mended.receipt, mended.set_aside
        )
        crashpoints.reached("repaired")

    def _findings(self, chunk: Chunk) -> Iterator[list[Mismatch]]:
        ledger, after = self.copier.ledger, 0
        while page := ledger.mismatches(
            self.copier.lease.migration_id, chunk_id=chunk.id, after_id=after, limit=_FINDINGS
        ):
            yield [recorded.mismatch for recorded in page]
            after = page[-1].id

    def _mend_keys(
        self, partition: str, findings: Sequence[Mismatch], refused: frozenset[PrimaryKey]
    ) -> list[SetAside]:
        """Mends these keys; returns those that the target refuses, which stay missing there and are named by the proof.

        Args:
            partition: Where they are.
            findings: What was found of them.
            refused: Keys that the target refused before.
        """
        keys = tuple(dict.fromkeys(finding.pk for finding in findings))
        surplus = {each.pk for each in findings if each.kind is MismatchKind.EXTRA}
        held = self.copier.reader.present(partition, keys)
        doomed = [key for key in keys if key in surplus or key not in held]
        wanted = [key for key in keys if key in held]
        self.copier.fence()
        crashpoints.reached("repairing")
        if doomed:
            reader = self.copier.reader
            writing.delete(
                self.copier.target, reader.collection, partition, reader.key_field, doomed
            )
            crashpoints.reached("repair_deleted")
        aside: list[SetAside] = []
        if wanted:
            put = partial(self._put, partition, wanted, refused)
            aside = self.copier.target.repeat(put, after=(Undecided,))
            crashpoints.reached("repair_written")
        self.copier.tally.refuse(self.copier.reader.collection, aside)
        self._done.append((len(wanted) - len(aside), len(doomed)))  # several threads append
        return aside

    def _put(
        self, partition: str, keys: Sequence[PrimaryKey], before: frozenset[PrimaryKey]
    ) -> list[SetAside]:
        """Writes the source's entities of these keys; where the target refuses a request, ever fewer at a time."""
        copier = self.copier
        for page in copier.reader.among(partition, keys, limit=copier.page_entities):
            try:
                copier.put(partition, page)
            except (MessageTooLarge, MilvusRefused) as refused:
                if isinstance(refused, MilvusRefused) and not may_be_an_entitys(refused):
                    raise
                if len(keys) == 1:
                    if not (refused.certain or keys[0] in before or copier.takes_again()):
                        raise undecided(copier.reader.collection, keys[0], refused) from refused
                    return [SetAside(partition=partition, pk=keys[0], reason=refused.message)]
                middle = len(keys) // 2
                halves = keys[:middle], keys[middle:]
                return [each for half in halves for each in self._put(partition, half, before)]
        return []

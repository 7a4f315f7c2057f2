"""Finds out whether someone else wrote to a collection that a migration made, by holding it against the receipts.

Looked at are: the definition with partitions and aliases, the number of entities (`count(*)`, duplicates included), and the content
of every key range: one with a receipt has the receipt's digest (only its number where the
target refused some of it), one whose write was in doubt holds no more than was planned, one
that was never written is empty. Entities that the collection's lifetime (TTL) may have ended are not missed. A write that was
taken back leaves no trace and is not found. Nothing is written here.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

from engine.content import Content, read_range
from engine.errors import FerryError, TemporaryFailure
from engine.executors import pipeline
from engine.ledger import Ledger
from engine.milvus import definitions, loading, properties
from engine.milvus.connection import Cluster
from engine.milvus.pages import CollectionReader
from engine.milvus.survey import reader_of
from engine.model import Chunk, ChunkSums, CollectionPlan, KeyPolicy
from engine.proof.digest import ContentDigest
from engine.proof.keyless import copied_digests, partition_digest
from engine.ranges import chunk_entities


class Untouched:
    """Looks at one collection; it is loaded for that, and `put_back` releases it again.

    Args:
        target: Where it stands.
        plan: As it was planned and made.
        ledger: Holds the receipts.
        migration_id: Whose receipts.
        check: Called between chunks; raises a `StopWork` when the look must end.
    """

    def __init__(
        self,
        target: Cluster,
        plan: CollectionPlan,
        ledger: Ledger,
        migration_id: str,
        check: Callable[[], None],
    ) -> None:
        self._check = check
        self._target = target
        self._plan = plan
        self._ledger = ledger
        self._migration_id = migration_id
        self._aside = ledger.set_aside(migration_id, plan.name)
        self._counted: int | None = None
        self._loaded_here = False

    def obstacles(self) -> list[str]:
        """What someone else did to it, as parts of a sentence; empty when nobody did anything."""
        said = [*definitions.differences(self._target, self._plan), *self._surplus()]
        if said:
            return said
        try:
            self._load()
            return list(self._contents())
        except TemporaryFailure:
            raise  # it can be seen later
        except FerryError as failure:
            self._check()  # a wait that was cut short says nothing about the collection
            return [f"it cannot be seen whether someone wrote to it ({failure.message})"]

    def recounted(self) -> str:
        """Says so if the number of entities is another than when `obstacles` looked; "" otherwise."""
        if self._counted is None:
            return ""
        now = reader_of(self._target, self._plan).count("")
        if now == self._counted:
            return ""
        return f"“{self._plan.name}” held {self._counted:,} entities a moment ago, and {now:,} now"

    def put_back(self) -> None:
        """Releases what was loaded here."""
        if self._loaded_here:
            # Whoever calls has a failure to tell already; a collection that stays loaded harms nobody.
            with suppress(FerryError):
                loading.release(self._target, self._plan.name)

    def _surplus(self) -> Iterator[str]:
        name = self._plan.name
        for alias in definitions.aliases(self._target, name):
            if alias not in self._plan.aliases:
                yield f"the alias “{alias}” was added"
        if not self._plan.partition_key:
            planned = {partition.name for partition in self._plan.partitions}
            for partition in definitions.partition_names(self._target, name):
                if partition not in planned:
                    yield f"the partition “{partition}” was added"

    def _load(self) -> None:
        name = self._plan.name
        if loading.is_loaded(self._target, name):
            return
        self._loaded_here = True
        loading.load(self._target, name)

    def _contents(self) -> Iterator[str]:
        reader = reader_of(self._target, self._plan)
        counted = reader.count("")
        least, most = self._left_behind()
        self._counted = counted
        if not least <= counted <= most:
            left = f"{most:,}" if least == most else f"{least:,} to {most:,}"
            yield f"it holds {counted:,} entities, and the migration left {left}"
            return
        if self._plan.keys is KeyPolicy.NEW:
            yield from self._changed_partitions()
            return
        changed = self._changed_ranges(reader)
        if changed:
            yield f"entities among {changed[0].range.keys} were changed"

    def _chunks(self) -> Iterator[Chunk]:
        for chunk in self._ledger.chunks(self._migration_id, self._plan.name):
            self._check()
            yield chunk

    def _sums(self) -> ChunkSums:
        return self._ledger.chunk_sums(self._migration_id, self._plan.name)

    def _left_behind(self) -> tuple[int, int]:
        """How many entities the migration wrote, at least and at most."""
        chunks = self._sums()
        least = chunks.copied - sum(map(len, self._aside.values()))
        most = least + chunks.doubtful_entities
        return (0 if properties.expires(self._plan.properties) else least), most

    def _changed_partitions(self) -> Iterator[str]:
        """Where the target made the keys, a range of the source's is none of the target's: whole partitions are compared."""
        if self._sums().doubtful or properties.expires(self._plan.properties):
            return
        refused: Counter[str] = Counter()
        for chunk in self._chunks():
            refused[chunk.range.partition] += len(self._aside.get(chunk.id, ()))
        for partition, left in copied_digests(self._chunks()).items():
            if not self._partition_as_left(partition, left, refused[partition]):
                yield f"entities of the partition “{partition}” were changed"

    def _partition_as_left(self, partition: str, left: ContentDigest, refused: int) -> bool:
        reader = reader_of(self._target, self._plan)
        if (
            refused
        ):  # which contents are not there the receipts do not tell, as with ranges: only how many
            return reader.count(partition) == left.count - refused
        return partition_digest(reader, self._plan, partition, self._check) == left

    def _changed_ranges(self, reader: CollectionReader) -> list[Chunk]:
        """The first chunks whose content is not what the migration left; reading ends once there is one."""
        size = chunk_entities(self._plan.entities, self._plan.bytes)
        changed: list[Chunk] = []

        def waiting() -> Iterator[Chunk]:
            for chunk in self._chunks():
                if changed:
                    return
                yield chunk

        def read(chunk: Chunk) -> tuple[Chunk, Content]:
            return chunk, read_range(reader, chunk.range, size)

        def compare(found: tuple[Chunk, Content]) -> None:
            if not self._as_left(*found):
                changed.append(found[0])

        pipeline(waiting(), read, compare)
        return changed

    def _as_left(self, chunk: Chunk, found: Content) -> bool:
        receipt = chunk.receipt
        if receipt is None:
            return found.counted <= (chunk.range.entities if chunk.attempted else 0)
        if properties.expires(self._plan.properties) and found.counted < receipt.entities:
            return True
        if refused := len(self._aside.get(chunk.id, ())):
            return found.counted == receipt.entities - refused
        left = ContentDigest.of_receipt(receipt.entities, receipt.digest)
        return found.counted == receipt.entities and found.digest == left

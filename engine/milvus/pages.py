"""Reads entities as columns, page by page in the order of their primary keys, and counts them exactly.

A page that is shorter than the limit is not the end (real servers answer 4,997 of 5,000 in the
middle of a range), so reading goes on until a page is empty or ends at the range's upper bound. A
page that does not advance is an error, never a loop. Nothing is written here.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from engine.errors import DataUnreadable
from engine.flow import Sizes
from engine.milvus import expressions
from engine.milvus.connection import Cluster
from engine.milvus.failures import MessageTooLarge, MilvusRefused
from engine.milvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2
from engine.milvus.wire import Column, QueryAnswer
from engine.model import PrimaryKey

PAGE_ENTITIES_MAX = 16_384
"""The most entities that a server returns in one query (Milvus `maxQueryResultWindow`)."""

PAGE_BYTES_MAX = 16 << 20
"""After a page that was larger, the next ones are asked for with fewer entities: sizes may vary within a collection."""

LAST_KEY = 2**63 - 1
"""The largest INT64: servers count an entity of this key and answer it to no query, since they merge answers by the keys that are
below it (`SelectMinPK`; milvus #46075, seen on 2.3.5)."""

_STRONG = 0
_CUSTOMIZED = 4


@dataclass(frozen=True)
class Page:
    """Entities as columns: `keys` has one value per entity, each of `columns` as many rows."""

    keys: Sequence[PrimaryKey]
    columns: Sequence[Column]

    @property
    def bytes(self) -> int:
        """Size of the columns on the wire."""
        return sum(len(column.wire) for column in self.columns)

    def messages(self) -> Iterator[Any]:
        """The columns as decoded `FieldData`."""
        return (column.message() for column in self.columns)


@dataclass(frozen=True)
class CollectionReader:
    """Reads one collection of one cluster at one read point.

    Attributes:
        fields: The columns to read, the primary key among them; outputs of functions left out.
        sizes: How many entities a page may have, for all who read it: half as many after an answer that was too large, and
            as many as fit where entities are heavier than planned.
        timestamp: A server timestamp (`read_point`): every page sees all that was written before
            it, on every replica; 0 reads with Strong consistency instead (correct, but every page
            waits for a time tick).
        absent: Partitions that are not there: nothing is asked of them, and they hold nothing.
    """

    cluster: Cluster
    collection: str
    key_field: str
    fields: tuple[str, ...]
    timestamp: int = 0
    sizes: Sizes = field(default_factory=lambda: Sizes(PAGE_ENTITIES_MAX, 1), compare=False)
    absent: frozenset[str] = frozenset()

    def pages(
        self,
        partition: str,
        lower: PrimaryKey | None = None,
        upper: PrimaryKey | None = None,
        *,
        limit: int = PAGE_ENTITIES_MAX,
        careful: bool = True,
    ) -> Iterator[Page]:
        """Yields the entities of `lower < pk <= upper` in the order of their keys.

        A server merges a page from its segments. With `reduce_stop_for_best` it stops as soon as one of
        them runs out: never wrong, but a range over k segments takes k pages. Without it a page is
        full at once, and entities are left out where a segment answered fewer than it has: only for
        callers that hold the sum against `count`, and read again carefully when it differs.

        Args:
            partition: The partition's name; "" for all.
            lower: Exclusive lower bound; None reaches down to the first key.
            upper: Inclusive upper bound; None reaches up to the last key.
            limit: Entities per page at most; fewer where pages are large, or answers were too large for the server.
            careful: Whether the server stops its merge early, as above.

        Raises:
            DataUnreadable: A page did not advance.
            MessageTooLarge: One single entity is too large to be read.
        """
        return self._pages(self.fields, partition, (lower, upper), limit, careful=careful)

    def among(
        self, partition: str, wanted: Sequence[PrimaryKey], *, limit: int = PAGE_ENTITIES_MAX
    ) -> Iterator[Page]:
        """Yields the entities that have one of the wanted keys (1,000 at most), paged as in `pages`."""
        for listed in expressions.lists(wanted):
            yield from self._pages(self.fields, partition, (None, None), limit, wanted=listed)

    def present(self, partition: str, wanted: Sequence[PrimaryKey]) -> frozenset[PrimaryKey]:
        """Those of the wanted keys (1,000 at most) that an entity has."""
        found = (
            self._pages(
                (self.key_field,), partition, (None, None), PAGE_ENTITIES_MAX, wanted=listed
            )
            for listed in expressions.lists(wanted)
        )
        return frozenset(key for pages in found for page in pages for key in page.keys)

    def keys(
        self, partition: str, lower: PrimaryKey | None = None, upper: PrimaryKey | None = None
    ) -> Iterator[Sequence[PrimaryKey]]:
        """Yields the primary keys of a range of a partition ("" for all) in ascending order, page by page."""
        found = self._pages((self.key_field,), partition, (lower, upper), PAGE_ENTITIES_MAX)
        return (page.keys for page in found)

    def count(
        self, partition: str, lower: PrimaryKey | None = None, upper: PrimaryKey | None = None
    ) -> int:
        """Counts the entities of a range exactly, duplicates included (`count(*)`)."""
        if partition and self.cluster.is_lite:
            # Milvus Lite ignores the partition in count(*); it keeps no duplicates, so keys count.
            scan = self._pages((self.key_field,), partition, (lower, upper), PAGE_ENTITIES_MAX)
            return sum(len(page.keys) for page in scan)
        return self._count(partition, expressions.key_range(self.key_field, lower, upper))

    def try_bound(self, key: PrimaryKey) -> None:
        """Counts the entities above a key, once, to see whether the server understands a range of keys.

        Raises:
            MilvusRefused: It does not, or has another reason.
            TemporaryFailure: It does not answer just now.
        """
        expression = expressions.key_range(self.key_field, key, None)
        self.cluster.once("Query", self._query("", expression, ["count(*)"]))

    def count_keys(self, partition: str, keys: Sequence[PrimaryKey]) -> int:
        """Counts the entities that have one of the keys, duplicates included (`count(*)`).

        Not for a partition of Milvus Lite, which ignores the partition in `count(*)`.
        """
        named = (expressions.key_in(self.key_field, each) for each in expressions.lists(keys))
        return sum(self._count(partition, expression) for expression in named)

    def hidden(self, partition: str = "") -> int:
        """Counts the entities of `LAST_KEY` that no query answers; only for INT64 keys."""
        if self.cluster.is_lite:  # it answers it
            return 0
        counted = self.count_keys(partition, [LAST_KEY])
        return 0 if not counted or self.present(partition, [LAST_KEY]) else counted

    def count_nulls(self, field: str) -> int:
        """Counts the entities that are null in a field; only for servers that have nullable fields."""
        return self._count("", f"{field} is null")

    def _count(self, partition: str, expression: str) -> int:
        if partition in self.absent:
            return 0
        answer = self.cluster.call("Query", self._query(partition, expression, ["count(*)"]))
        return int(answer.fields_data[0].scalars.long_data.data[0])

    def _pages(
        self,
        fields: Sequence[str],
        partition: str,
        bounds: tuple[PrimaryKey | None, PrimaryKey | None],
        limit: int,
        *,
        careful: bool = True,
        wanted: Sequence[PrimaryKey] = (),
    ) -> Iterator[Page]:
        if partition in self.absent:
            return
        last, upper = bounds
        sizes = (
            self.sizes if fields == self.fields else Sizes(PAGE_ENTITIES_MAX, 1)
        )  # keys are small
        listed = [expressions.key_in(self.key_field, wanted)] if wanted else []
        while upper is None or last != upper:
            between = expressions.key_range(self.key_field, last, upper)
            expression = " and ".join([*listed, between] if between else listed)
            asked = min(limit, sizes.now)
            try:
                page = self._page(partition, expression, fields, asked, careful=careful)
            except MessageTooLarge as refusal:
                if asked == 1:
                    raise self._too_large(partition, expression, refusal) from refusal
                sizes.too_large(asked)
                continue
            sizes.went_well()
            if not page.keys:
                return
            self._check_order(page.keys, last)
            last = page.keys[-1]
            yield page
            if page.bytes > PAGE_BYTES_MAX:
                limit = max(1, len(page.keys) * PAGE_BYTES_MAX // page.bytes)
                sizes.too_large(
                    2 * limit
                )  # for all who read: memory must not hold such a page for each of them

    def _page(
        self,
        partition: str,
        expression: str,
        fields: Sequence[str],
        limit: int,
        *,
        careful: bool,
    ) -> Page:
        request = self._query(partition, expression, fields)
        # Without the iterator flag a server may answer any entities of the range, in any order.
        params = {"limit": str(limit), "iterator": "True", "reduce_stop_for_best": str(careful)}
        for key, value in params.items():
            request.query_params.append(common_pb2.KeyValuePair(key=key, value=value))
        pace = self.cluster.pace if fields == self.fields else None
        with pace.turn() if pace else nullcontext():
            answer = self.cluster.call("Query", request, answered=QueryAnswer.of)
        keys = next((each for each in answer.columns if each.name == self.key_field), None)
        if keys is None:
            return Page((), ())
        page = Page(_keys(keys.message()), answer.columns)
        if pace:
            pace.spend(len(page.keys), page.bytes)
        return page

    def _too_large(
        self, partition: str, expression: str, refusal: MessageTooLarge
    ) -> MessageTooLarge:
        """Names the one entity that is too large to be read."""
        page = self._page(partition, expression, (self.key_field,), 1, careful=True)
        named = f"The entity {page.keys[0]!r} of" if page.keys else "An entity of"
        return MessageTooLarge(
            f"{named} “{self.collection}” cannot be read: {refusal.message}",
            state=refusal.state,
            next_step=refusal.next_step,
        )

    def _query(self, partition: str, expression: str, fields: Sequence[str]) -> Any:
        return milvus_pb2.QueryRequest(
            db_name=self.cluster.database,
            collection_name=self.collection,
            expr=expression,
            output_fields=fields,
            partition_names=[partition] if partition else [],
            consistency_level=_CUSTOMIZED if self.timestamp else _STRONG,
            guarantee_timestamp=self.timestamp,
        )

    def _check_order(self, keys: Sequence[PrimaryKey], last: PrimaryKey | None) -> None:
        previous = last
        for key in keys:
            # Python orders text by code points, which is the servers' order of UTF-8 bytes.
            if previous is not None and not previous < key:  # type: ignore[operator]  # one typed column
                raise DataUnreadable(
                    f"{self.cluster.endpoint.name} answered key {key!r} of “{self.collection}” after "
                    f"{previous!r}, out of order.",
                    state="Nothing after that key was read.",
                    next_step="Tell us the server's version and the key field's type.",
                )
            previous = key


def read_point(cluster: Cluster) -> int:
    """A timestamp that covers everything written until now; 0 where the server has none."""
    try:
        answer = cluster.call("AllocTimestamp", milvus_pb2.AllocTimestampRequest())
    except MilvusRefused:
        return 0
    return int(answer.timestamp)


def _keys(column: Any) -> Sequence[PrimaryKey]:
    if column.type == schema_pb2.DataType.Int64:
        return list(column.scalars.long_data.data)
    return list(column.scalars.string_data.data)

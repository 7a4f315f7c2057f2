"""Reads entities as columns, page by page in the order of their primary keys, and counts them exactly.

A page that is shorter than the limit is not the end (real servers answer 4,997 of 5,000 in the
middle of a range), so reading goes on until a page is empty or ends at the range's upper bound. A
page that does not advance is an error, never a loop. Nothing is written here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from engine.errors import DataUnreadable
from engine.milvus import expressions
from engine.milvus.connection import Cluster
from engine.milvus.failures import MessageTooLarge, MilvusRefused
from engine.model import PrimaryKey

PAGE_ENTITIES_MAX = 16_384
"""The most entities that a server returns in one query (Milvus `quotaAndLimits.limits.maxQueryResultWindow`)."""

_STRONG = 0
_CUSTOMIZED = 4


@dataclass(frozen=True)
class Place:
    """Where to read: a collection, one of its partitions ("" for all), its key field, the read point.

    `timestamp` is a server timestamp: every page sees all that was written before it, on every
    replica; 0 reads with Strong consistency instead (correct, but every page waits for a time tick).
    """

    collection: str
    partition: str
    key_field: str
    timestamp: int = 0


@dataclass(frozen=True)
class Page:
    """Entities as columns: `keys` has one value per entity, each of `columns` as many rows."""

    keys: Sequence[PrimaryKey]
    columns: Sequence[Any]

    @property
    def bytes(self) -> int:
        """Size of the columns on the wire."""
        return sum(column.ByteSize() for column in self.columns)


def read_point(cluster: Cluster) -> int:
    """A timestamp that covers everything written until now; 0 where the server has none."""
    try:
        answer = cluster.call("AllocTimestamp", milvus_pb2.AllocTimestampRequest())
    except MilvusRefused:
        return 0
    return int(answer.timestamp)


def pages(
    cluster: Cluster,
    place: Place,
    fields: Sequence[str],
    lower: PrimaryKey | None,
    upper: PrimaryKey | None,
    *,
    limit: int = PAGE_ENTITIES_MAX,
) -> Iterator[Page]:
    """Yields the entities of `lower < pk <= upper` in the order of their keys.

    Args:
        cluster: The server to read from.
        place: The collection, partition and read point.
        fields: The columns to read; the key field is added when it is missing.
        lower: Exclusive lower bound; None reaches down to the first key.
        upper: Inclusive upper bound; None reaches up to the last key.
        limit: Entities per page at most; halved for as long as an answer is too large.

    Raises:
        DataUnreadable: A page did not advance.
        MessageTooLarge: One single entity is too large to be read.
    """
    names = list(fields) if place.key_field in fields else [place.key_field, *fields]
    last = lower
    while upper is None or last != upper:
        try:
            page = _page(cluster, place, names, last, upper, limit)
        except MessageTooLarge:
            if limit == 1:
                raise
            limit //= 2
            continue
        if not page.keys:
            return
        _check_order(page.keys, last, place)
        last = page.keys[-1]
        yield page


def count(
    cluster: Cluster,
    place: Place,
    lower: PrimaryKey | None = None,
    upper: PrimaryKey | None = None,
    *,
    keys: Sequence[PrimaryKey] = (),
) -> int:
    """Counts entities exactly, with duplicates (`count(*)`); never the server's statistics."""
    expression = (
        expressions.key_in(place.key_field, keys)
        if keys
        else expressions.key_range(place.key_field, lower, upper)
    )
    answer = cluster.call("Query", _query(cluster, place, expression, ["count(*)"]))
    return int(answer.fields_data[0].scalars.long_data.data[0])


def keys_of(column: Any) -> Sequence[PrimaryKey]:
    """The values of a primary-key column."""
    if column.type == schema_pb2.DataType.Int64:
        return list(column.scalars.long_data.data)
    return list(column.scalars.string_data.data)


def _page(
    cluster: Cluster,
    place: Place,
    names: Sequence[str],
    lower: PrimaryKey | None,
    upper: PrimaryKey | None,
    limit: int,
) -> Page:
    expression = expressions.key_range(place.key_field, lower, upper)
    request = _query(cluster, place, expression, names)
    # Without the iterator flags a server may answer any entities of the range in any order.
    for key, value in (
        ("limit", str(limit)),
        ("iterator", "True"),
        ("reduce_stop_for_best", "True"),
    ):
        request.query_params.append(common_pb2.KeyValuePair(key=key, value=value))
    answer = cluster.call("Query", request)
    by_name = {column.field_name: column for column in answer.fields_data}
    if place.key_field not in by_name:
        return Page((), ())
    return Page(keys_of(by_name[place.key_field]), tuple(answer.fields_data))


def _query(cluster: Cluster, place: Place, expression: str, names: Sequence[str]) -> Any:
    return milvus_pb2.QueryRequest(
        db_name=cluster.database,
        collection_name=place.collection,
        expr=expression,
        output_fields=names,
        partition_names=[place.partition] if place.partition else [],
        consistency_level=_CUSTOMIZED if place.timestamp else _STRONG,
        guarantee_timestamp=place.timestamp,
    )


def _check_order(keys: Sequence[PrimaryKey], last: PrimaryKey | None, place: Place) -> None:
    previous = last
    for key in keys:
        if previous is not None and not _before(previous, key):
            raise DataUnreadable(
                f"{place.collection}: the source answered key {key!r} after {previous!r}, out of order.",
                state="Nothing after that key was read.",
                next_step="Tell us the server's version and the key field's type.",
            )
        previous = key


def _before(first: PrimaryKey, second: PrimaryKey) -> bool:
    if isinstance(first, str) and isinstance(second, str):
        return first.encode() < second.encode()  # servers compare VARCHAR keys by their UTF-8 bytes
    return first < second  # type: ignore[operator]  # both come from one typed column

"""Writes columns to a collection exactly as they were read: insert in a clean run, upsert for what is in doubt; deletes by key.

A write is sent once. When its outcome is unknown the caller hears of it (`ServiceUnavailable`), not before it
is void, and settles it by an upsert; only a throttle, which the server refuses before it applies anything, is
waited out here. A delete is repeated, likewise.
"""

from collections.abc import Sequence
from functools import partial

from engine.errors import DataUnreadable
from engine.milvus import expressions, retry
from engine.milvus.connection import Cluster
from engine.milvus.grpc_gen import milvus_pb2
from engine.milvus.outgoing import writable
from engine.milvus.wire import Column, write_request
from engine.model import PrimaryKey


def write(
    cluster: Cluster,
    collection: str,
    partition: str,
    columns: Sequence[Column],
    rows: int,
    *,
    upsert: bool,
    marked: frozenset[str] = frozenset(),
) -> None:
    """Sends one page of columns.

    Args:
        cluster: The target.
        collection: Its name on the target.
        partition: The partition's name; "" lets the server choose by the partition key.
        columns: As a query answered them; function outputs left out.
        rows: Entities in the page; the server must acknowledge as many.
        upsert: Replaces entities that have the same key; for pages whose first write is in doubt.
        marked: The fields whose marks of validity have to be sent.

    Raises:
        ServiceUnavailable: Whether the page was written is unknown; but nothing of it will be any more.
        MilvusRefused, MessageTooLarge: The server refused the page; whether nothing of it was written is `certain` or not.
        DataUnreadable: The server acknowledged another number of entities.
    """
    kind = milvus_pb2.UpsertRequest if upsert else milvus_pb2.InsertRequest
    head = kind(
        db_name=cluster.database,
        collection_name=collection,
        partition_name=partition,
        num_rows=rows,
    )
    request = write_request(head, [writable(column, rows, marked) for column in columns])
    rpc = "Upsert" if upsert else "Insert"
    answer = cluster.repeat(
        lambda: cluster.once_and_for_all(rpc, request), after=retry.REFUSED_AT_THE_DOOR
    )
    acknowledged = answer.upsert_cnt if upsert else answer.insert_cnt
    if acknowledged != rows or answer.err_index:
        raise DataUnreadable(
            f"{collection}: the target acknowledged {acknowledged} of {rows} entities.",
            state="Some entities of this page may not have been written.",
            next_step="Start the migration again: the page is written once more and verified.",
        )


def delete(
    cluster: Cluster, collection: str, partition: str, key_field: str, keys: Sequence[PrimaryKey]
) -> None:
    """Deletes every entity that has one of the keys, all copies of it; harmless to repeat.

    Args:
        cluster: The target.
        collection: Its name on the target.
        partition: The partition's name; "" for all.
        key_field: The primary key's field name.
        keys: At most 1,000.
    """
    for listed in expressions.lists(keys):
        request = milvus_pb2.DeleteRequest(
            db_name=cluster.database,
            collection_name=collection,
            partition_name=partition,
            expr=expressions.key_in(key_field, listed),
        )
        cluster.repeat(partial(cluster.once_and_for_all, "Delete", request))

"""Loads and releases collections, and waits until a load is really done.

It remembers nothing: what was loaded before is in the ledger.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.errors import ServiceUnavailable, TemporaryFailure
from engine.milvus.connection import Cluster
from engine.milvus.failures import MilvusRefused
from engine.milvus.grpc_gen import common_pb2, milvus_pb2
from engine.patience import patiently

LOAD_SECONDS_MAX = 3600.0
"""How long a load may take: it waits for indexes to be built."""

_POLL_SECONDS = 0.2


def is_loaded(cluster: Cluster, collection: str, partition: str = "") -> bool:
    """Whether a collection answers queries, or one partition of it.

    A collection of which some partitions are loaded counts as loaded; its other partitions refuse queries.
    """
    return bool(_state(cluster, collection, partition) == common_pb2.LoadStateLoaded)


def is_released(cluster: Cluster, collection: str) -> bool:
    """Whether nobody has loaded a collection, nor is about to."""
    return bool(_state(cluster, collection) == common_pb2.LoadStateNotLoad)


def _state(cluster: Cluster, collection: str, partition: str = "") -> Any:
    request = milvus_pb2.GetLoadStateRequest(
        db_name=cluster.database,
        collection_name=collection,
        partition_names=[partition] if partition else [],
    )
    return cluster.call("GetLoadState", request).state


def replicas(cluster: Cluster, collection: str) -> int:
    """How many times a loaded collection is held in memory; 1 where a server does not tell."""
    request = milvus_pb2.GetReplicasRequest(db_name=cluster.database, collection_name=collection)
    try:
        answer = cluster.call("GetReplicas", request)
    except MilvusRefused:
        return 1
    return max(1, len(answer.replicas))


def ask(cluster: Cluster, collection: str, copies: int = 1) -> None:
    """Asks for a collection to be loaded and does not wait; one that is loaded stays so.

    Args:
        cluster: Where.
        collection: Which.
        copies: How many replicas; where there are not nodes enough for them, one.

    Raises:
        MilvusRefused: It cannot be loaded, for example without an index.
    """
    request = milvus_pb2.LoadCollectionRequest(
        db_name=cluster.database, collection_name=collection, replica_number=copies
    )
    if copies == 1:
        cluster.call("LoadCollection", request)
        return
    try:
        cluster.once_and_for_all("LoadCollection", request)
    except (MilvusRefused, TemporaryFailure):
        ask(cluster, collection)


def load(cluster: Cluster, collection: str, *, seconds_max: float = LOAD_SECONDS_MAX) -> None:
    """Loads a collection and returns when it answers queries.

    Raises:
        MilvusRefused: It cannot be loaded, for example without an index.
        ServiceUnavailable: It was not loaded in time.
    """
    ask(cluster, collection)
    wait(cluster, collection, seconds_max=seconds_max)


def wait(
    cluster: Cluster, collection: str, copies: int = 1, *, seconds_max: float = LOAD_SECONDS_MAX
) -> None:
    """Returns when a collection whose load was asked for answers queries; it is asked for again if somebody took it back.

    Args:
        cluster: Where.
        collection: Which.
        copies: As of `ask`.
        seconds_max: How long that may take.

    Raises:
        MilvusRefused: As `ask`.
        ServiceUnavailable: It was not loaded in time.
    """
    deadline = time.monotonic() + seconds_max
    being_loaded = f"{cluster.endpoint.name} is loading “{collection}”."
    with patiently(cluster.waits, being_loaded) as still:
        while (state := _state(cluster, collection)) != common_pb2.LoadStateLoaded:
            still()
            if state == common_pb2.LoadStateNotLoad:
                ask(cluster, collection, copies)
            if time.monotonic() > deadline or cluster.stop.wait(_POLL_SECONDS):
                raise ServiceUnavailable(
                    f"{cluster.endpoint.name} did not finish loading “{collection}”.",
                    state="It cannot be read there yet; what was copied so far is kept.",
                    next_step=f"Look at the memory and the index building of {cluster.endpoint.name}, "
                    "then resume the migration or repeat the verification.",
                )


def release(cluster: Cluster, collection: str) -> None:
    """Releases a collection from memory."""
    request = milvus_pb2.ReleaseCollectionRequest(
        db_name=cluster.database, collection_name=collection
    )
    cluster.call("ReleaseCollection", request)


@contextmanager
def loaded(cluster: Cluster, collection: str) -> Iterator[None]:
    """Has a collection loaded while it is read, and leaves it as it was found."""
    released = is_released(cluster, collection)
    try:
        if not is_loaded(cluster, collection):
            load(cluster, collection)
        yield
    finally:
        if released:
            release(cluster, collection)

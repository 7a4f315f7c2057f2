"""A verification that was interrupted goes on with what it had not proved yet."""

from collections.abc import Callable

import pytest
from pymilvus.grpc_gen import milvus_pb2

from engine.lifecycle import EventName
from engine.model import Outcome
from tests.engine.bed import PARTITIONS, Bed, Side, heard, running
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

COMPARED = 6
"""The query to the target, of two or more per chunk, in which it is interrupted."""


def proved(bed: Bed, migration: str) -> set[str]:
    """The partitions whose chunks were found the same."""
    chunks = bed.ledger.chunks(migration, "parts")
    return {chunk.range.partition for chunk in chunks if chunk.verified}


def test_what_is_proved_is_not_read_again(crossing: Bed, proxied: Callable[[Side], Proxy]) -> None:
    """Canceled in the middle and resumed, it reads the entities of no partition a second time that it had proved."""
    target = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=target.uri)
    gate = target.hold("Query", COMPARED)
    with running(crossing, migration) as (reports, beats):
        gate.wait()
        crossing.act(migration, EventName.CANCEL)
        heard(beats)
        gate.open.set()
    assert reports[0].status is Outcome.CANCELED
    before = proved(crossing, migration)
    assert 0 < len(before) < PARTITIONS
    kept = target.keep("Query")
    crossing.act(migration, EventName.RESUME)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    queries = map(milvus_pb2.QueryRequest.FromString, kept)
    read = {name for query in queries for name in query.partition_names}
    assert len(proved(crossing, migration)) == PARTITIONS
    assert read.isdisjoint(before)

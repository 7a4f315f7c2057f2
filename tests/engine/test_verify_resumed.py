"""A verification that was interrupted goes on with what it had not proved yet; one that goes on after an end proves all anew."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from pymilvus.grpc_gen import milvus_pb2

from engine.lifecycle import EventName
from engine.model import Outcome
from tests.engine.bed import PARTITION_ENTITIES, PARTITIONS, Bed, Side, heard, rows, running
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

COMPARED = 6
"""The query to the target, of two or more per chunk, in which it is interrupted."""

Proxied = Callable[[Side], Proxy]


def proved(bed: Bed, migration: str) -> set[str]:
    """The partitions whose chunks were found the same."""
    chunks = bed.ledger.chunks(migration, "parts")
    return {chunk.range.partition for chunk in chunks if chunk.verified}


def proved_entity(bed: Bed, migration: str) -> tuple[str, int]:
    """An entity that was found the same: its partition, one of those with a number, and its key."""
    partition = next(name for name in sorted(proved(bed, migration)) if name != "_default")
    return partition, int(partition[1:]) * PARTITION_ENTITIES


def read(queries: Sequence[bytes]) -> set[str]:
    """The partitions that these queries ask for."""
    asked = map(milvus_pb2.QueryRequest.FromString, queries)
    return {name for query in asked for name in query.partition_names}


@contextmanager
def interrupted(bed: Bed, target: Proxy) -> Iterator[tuple[str, threading.Event]]:
    """A migration whose proof is under way until the block ends; the event hands it back to the queue."""
    migration = bed.queued("parts", target_uri=target.uri)
    gate = target.hold("Query", COMPARED)
    stop = threading.Event()
    with running(bed, migration, stop) as (_, beats):
        gate.wait()
        yield migration, stop
        heard(beats)
        gate.open.set()
    assert 0 < len(proved(bed, migration)) < PARTITIONS


def test_what_is_proved_is_not_read_again(crossing: Bed, proxied: Proxied) -> None:
    """Handed back in the middle and taken again, it reads the entities of no partition a second time that it had proved."""
    target = proxied(crossing.target)
    with interrupted(crossing, target) as (migration, stop):
        stop.set()
    before = proved(crossing, migration)
    kept = target.keep("Query")
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    assert len(proved(crossing, migration)) == PARTITIONS
    assert read(kept).isdisjoint(before)


def test_a_proof_that_holds_is_held_against_the_count(crossing: Bed, proxied: Proxied) -> None:
    """Where the target counts other than was proved before the interruption, all of it is read again, and what is lost is named."""
    with interrupted(crossing, proxied(crossing.target)) as (migration, stop):
        stop.set()
    partition, lost = proved_entity(crossing, migration)
    crossing.target.client.delete("parts", ids=[lost], partition_name=partition)
    found = crossing.run(migration)
    assert found.status is Outcome.MISMATCHED
    assert [(each.pk, each.kind) for each in found.collections[0].examples] == [(lost, "missing")]


@pytest.mark.parametrize("event", [EventName.RESUME, EventName.REPAIR])
def test_no_proof_outlives_the_end_of_a_migration(
    crossing: Bed, proxied: Proxied, event: EventName
) -> None:
    """What is replaced in a partition that was proved before a cancel is found after it, though no count shows it."""
    with interrupted(crossing, proxied(crossing.target)) as (migration, _):
        crossing.act(migration, EventName.CANCEL)
    partition, replaced = proved_entity(crossing, migration)
    crossing.target.client.upsert(
        "parts", list(rows([replaced], text="other")), partition_name=partition
    )
    crossing.act(migration, event)
    found = crossing.run(migration)
    assert found.status is Outcome.MISMATCHED
    (named,) = found.collections[0].examples
    assert (named.pk, named.kind) == (replaced, "different")

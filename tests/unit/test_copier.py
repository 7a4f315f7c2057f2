"""What a copier does where a server refuses: what is told, and what is left alone."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymilvus.grpc_gen.milvus_pb2 import DeleteRequest

from engine.copier import Copier, ReadChunk
from engine.descent import Tally
from engine.errors import DataUnreadable
from engine.flow import MEGABYTE, Flow, Sizes
from engine.ledger import Ledger
from engine.milvus.connection import Cluster
from engine.milvus.destination import KEYS_PER_DELETE, send
from engine.milvus.failures import MessageTooLarge
from engine.milvus.pages import Page
from engine.model import Chunk, ChunkRange, CollectionPlan, KeyPolicy, Lease, Receipt
from tests.beds.ledgers import put
from tests.engine.shapes import collection
from tests.unit.small import KEYS, Small, reader_of, small_server


@pytest.fixture
def served() -> Iterator[tuple[Small, Cluster]]:
    """The small server and an open cluster of it."""
    with small_server() as served:
        yield served


def nothing() -> None:
    """Nobody asks the work to end."""


def copier_of(cluster: Cluster, ledger: Ledger, *, keys: KeyPolicy, tally: Tally) -> Copier:
    """Copies from the small server to the small server."""
    return Copier(
        reader_of(cluster),
        cluster,
        CollectionPlan.model_construct(name="c", entities=len(KEYS), bytes=MEGABYTE, keys=keys),
        ledger,
        Lease(migration_id="M-0000000", token=1, owner=""),
        page_entities=64,
        exact=True,
        check=nothing,
        fence=nothing,
        turn=Flow(threading.Event()).turn,
        settle=nothing,
        sizes=Sizes(),
        tally=tally,
    )


def test_what_the_source_cannot_answer_is_not_the_targets_limit(
    served: tuple[Small, Cluster], tmp_path: Path
) -> None:
    """A chunk is read again as it is written, and the source refuses: that is told, and requests to the target stay as large."""
    handler, cluster = served
    whole = ChunkRange(
        collection="c", partition="", ordinal=0, lower=None, upper=None, entities=len(KEYS)
    )
    receipt = Receipt(entities=len(KEYS), bytes=MEGABYTE, digest="0" * 32)
    with Ledger.open(put(f"sqlite:///{tmp_path}/ferry.db")) as ledger:
        copier = copier_of(cluster, ledger, keys=KeyPolicy.OWN, tally=Tally())
        handler.entities_max = 0
        pages = copier.reader.pages("", limit=64)
        with pytest.raises(MessageTooLarge, match="The entity 0 of “c” cannot be read"):
            copier.write(ReadChunk(Chunk(id=1, range=whole), pages, receipt))
        assert copier.sizes.now == Sizes().now
        with pytest.raises(MessageTooLarge, match="The entity 0 of “c” cannot be read"):
            copier.takes_again(("", 0))


def test_what_has_a_receipt_is_not_deleted_to_try_the_target(
    served: tuple[Small, Cluster], tmp_path: Path
) -> None:
    """Where an entity is written again by deleting it first, none of a chunk with a receipt is: a kill in between would lose it."""
    handler, cluster = served
    with Ledger.open(put(f"sqlite:///{tmp_path}/ferry.db")) as ledger:
        copier = copier_of(cluster, ledger, keys=KeyPolicy.ALLOWED, tally=Tally(known=("", 0)))
        assert not copier.takes_again()
        assert handler.asked == []


def test_every_entity_in_doubt_is_deleted_where_an_upsert_makes_keys(
    served: tuple[Small, Cluster],
) -> None:
    """A page of more keys than one delete takes is deleted whole before it is inserted: the rest would stand there twice."""
    handler, cluster = served
    page = Page(range(2_500), ())
    with pytest.raises(DataUnreadable, match="acknowledged 0 of 2500"):
        send(cluster, collection(keys=KeyPolicy.ALLOWED), "", page, in_doubt=True)
    *deletes, last = [call for call in handler.calls if call[0] != "GetVersion"]
    assert (last[0], {rpc for rpc, _ in deletes}) == ("Insert", {"Delete"})
    named = [re.findall(r"\d+", DeleteRequest.FromString(sent).expr) for _, sent in deletes]
    assert [int(key) for keys in named for key in keys] == list(page.keys)
    assert max(map(len, named)) <= KEYS_PER_DELETE

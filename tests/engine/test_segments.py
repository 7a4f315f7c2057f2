"""Many entities over several segments, read in ranges: nothing is lost between the pages of a real server."""

import threading
import uuid

import numpy as np
import pytest

from engine.ledger import Ledger
from engine.milvus.sample_bulk import KeyType, fill_vectors
from engine.milvus.sample_values import awkward_key
from engine.model import Outcome
from tests.beds.shared import Lent
from tests.engine.bed import Bed, Side

pytestmark = pytest.mark.real_milvus

ENTITIES = 50_000
SEGMENTS = 3
CHUNK_BYTES = 192 << 10
"""So that 50,000 small entities make about fifty chunks."""


def test_several_segments_lose_nothing(
    real_milvus_pair: tuple[Lent, Lent],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """50,000 entities of each key type, spread over three segments, arrive once each and are the same entity by entity."""
    url = f"sqlite:///{tmp_path_factory.mktemp('segments')}/ferry.db"
    mark = uuid.uuid4().hex[:6]
    names: dict[KeyType, str] = {"INT64": f"numbers_{mark}", "VARCHAR": f"texts_{mark}"}
    source, target = (Side(server.uri) for server in real_milvus_pair)
    _fill(source.uri, names)
    try:
        with Ledger.open(url) as ledger:
            bed = Bed(source, target, ledger, url)
            migration = bed.queued(*names.values())
            report = bed.run(migration, chunk_bytes=CHUNK_BYTES)
            assert report.status is Outcome.SUCCESSFUL, report
            assert report.entities == 2 * ENTITIES
            assert all(bed.chunks(migration, name)[0] >= 20 for name in names.values())
            bed.assert_same(names["INT64"], range(ENTITIES))
            bed.assert_same(names["VARCHAR"], [awkward_key(n) for n in range(ENTITIES)])
            _one_float_of_all_is_found(bed, names["INT64"], names["VARCHAR"])
    finally:
        for side in (source, target):
            for name in names.values():
                side.client.drop_collection(name)
            side.client.close()


def _one_float_of_all_is_found(bed: Bed, changed: str, same: str) -> None:
    """One float of one of the 100,000 entities is set one bit off on the target: it is named, and nothing else is."""
    (row,) = bed.target.get(changed, [ENTITIES // 2 + 7]).values()
    vector = np.array(row["embedding"], "<f4")
    vector[-1] = np.nextafter(vector[-1], np.float32(np.inf))
    bed.target.client.upsert(changed, [row | {"embedding": vector.tolist()}])
    report = bed.verify(changed, same)
    assert report.status is Outcome.MISMATCHED
    found = {each.name: each for each in report.collections}
    assert found[same].verified
    (one,) = found[changed].examples
    assert (one.pk, one.kind, one.fields) == (row["id"], "different", ("embedding",))


def _fill(uri: str, names: dict[KeyType, str]) -> None:
    """Both collections at once: most of the time goes to flushes, which the server limits."""
    threads = [
        threading.Thread(
            target=fill_vectors,
            args=(uri, name, ENTITIES, 4, key_type),
            kwargs={"segments": SEGMENTS},
        )
        for key_type, name in names.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

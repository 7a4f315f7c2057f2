"""The sample collections: they are what they say, on Milvus Lite and on a real server, and the same for the same seed."""

from collections.abc import Callable

import pytest
from pymilvus import MilvusClient

from bot.demo.clusters import Server
from engine.milvus.client import preparing_client
from engine.milvus.sample import ALIAS, PARTITIONS, fill
from engine.milvus.sample_bulk import KeyType, fill_vectors
from engine.milvus.sample_values import AWKWARD, awkward_key, events
from tests.beds.shared import Lent


def _count(client: MilvusClient, name: str, filter_: str = "") -> int:
    rows = client.query(
        name, filter=filter_, output_fields=["count(*)"], consistency_level="Strong"
    )
    return int(rows[0]["count(*)"])


def test_lite_sample_has_every_kind(lite_server: Callable[..., Server]) -> None:
    """The sample of a modern server holds vectors, searchable text, awkward keys with partitions and alias, JSON with nulls."""
    uri = lite_server().uri
    made = fill(uri, scale=0.1)
    client = preparing_client(uri)
    assert {name: _count(client, name) for name in made} == made
    assert set(made) == {"products", "documents", "events", "articles"}
    assert set(PARTITIONS) < set(client.list_partitions("documents"))
    assert client.list_aliases("documents")["aliases"] == [ALIAS]
    assert client.search("articles", data=["silver lantern"], anns_field="keywords", limit=3)[0]
    nulls = client.query(
        "events", filter="tags is null", output_fields=["id", "priority", "captain"], limit=1000
    )
    assert len(nulls) == len(
        [row for row in events(200, seed=9, nulls=True) if row["tags"] is None]
    )
    assert {row["priority"] for row in nulls} == {5}
    client.close()


def test_equal_seeds_make_equal_rows(lite_server: Callable[..., Server]) -> None:
    """Two servers filled with one seed hold the same entities, with another seed not."""
    rows = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        uri = lite_server(name).uri
        fill(uri, seed=seed, scale=0.01)
        client = preparing_client(uri)
        rows.append(
            list(client.query("documents", filter='id != ""', output_fields=["*"], limit=100))
        )
        client.close()
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]


def test_awkward_keys_differ() -> None:
    """No two numbers make the same key, and every family occurs."""
    keys = [awkward_key(number) for number in range(10_000)]
    assert len(set(keys)) == 10_000
    assert {family.format(n=2 * place + 1) for place, family in enumerate(AWKWARD)} < set(keys)


@pytest.mark.real_milvus
def test_real_sample_fits_an_old_server(real_milvus_pair: tuple[Lent, Lent]) -> None:
    """Milvus 2.3.5 takes the sample without functions and nulls, in a database of its own."""
    uri = real_milvus_pair[0].uri
    client = preparing_client(uri)
    client.create_database("sample_test")
    made = fill(uri, scale=0.1, modern=False, database="sample_test")
    sample = preparing_client(uri, db_name="sample_test")
    assert {name: _count(sample, name) for name in made} == made
    assert len(sample.list_partitions("ports")) == 7
    for name in made:
        sample.release_collection(name)
        for alias in sample.describe_collection(name)["aliases"]:
            sample.drop_alias(alias)
        sample.drop_collection(name)
    sample.close()
    client.drop_database("sample_test")
    client.close()


@pytest.mark.real_milvus
@pytest.mark.parametrize("key_type", ["INT64", "VARCHAR"])
def test_bulk_vectors_span_segments(real_milvus_pair: tuple[Lent, Lent], key_type: KeyType) -> None:
    """Bulk data is complete, and lies in as many sealed segments as asked, each over the whole range of keys."""
    uri, name = real_milvus_pair[0].uri, f"bulk_{key_type}"
    fill_vectors(uri, name, 5_000, 32, key_type, segments=3)
    client = preparing_client(uri)
    try:
        assert _count(client, name) == 5_000
        assert _count(client, name, 'payload["number"] >= 2500') == 2_500
        assert _count(client, name, "shelf == 3") == 52
        assert len(client.list_persistent_segments(name)) == 3
    finally:
        client.drop_collection(name)
        client.close()

"""Pages by key on real and small servers: whatever the keys are, every page goes on where the last one ended."""

import random
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from engine.milvus.connection import Cluster, connect
from engine.milvus.pages import CollectionReader, read_point
from tests.beds.forks import Forks
from tests.engine.bed import Side, rows

SEED = 20
ALPHABET = [
    *map(chr, range(128)),
    *"\u0085\u00a0\u200b\u2028\u2029\ufeff\ud7ff\ue000\uffff",
    *"éßñ渡船🚢\U0010ffff",
]


def texts(count: int) -> list[str]:
    """Different texts of up to six awkward characters, in the order of their code points."""
    dice = random.Random(SEED)
    made = {"".join(dice.choices(ALPHABET, k=dice.randrange(1, 7))) for _ in range(count)}
    return sorted({"", *made})


@pytest.fixture(
    scope="module", params=["lite", pytest.param("real", marks=pytest.mark.real_milvus)]
)
def side(
    request: pytest.FixtureRequest, forks: Forks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Side]:
    """A collection with awkward texts as keys, on either server."""
    with ExitStack() as stack:
        if request.param == "lite":
            folder = tmp_path_factory.mktemp("lite")
            server = stack.enter_context(forks.lite(folder / "data", log=folder / "log")).wait()
            made = Side(server.uri)
        else:
            made = Side(request.getfixturevalue("real_milvus_pair")[0].uri, "reading")
        stack.callback(made.clear)
        made.create("awkward", key="VARCHAR")
        made.insert("awkward", rows(texts(400)))
        made.ready()
        yield made


@pytest.fixture
def cluster(side: Side) -> Iterator[Cluster]:
    """The engine's own connection to it."""
    with connect(side.endpoint, "") as opened:
        yield opened


@pytest.mark.parametrize("careful", [True, False])
def test_any_text_can_end_a_page(cluster: Cluster, *, careful: bool) -> None:
    """Pages of seven entities end at every kind of key; together they are all keys, in order, once."""
    reader = CollectionReader(cluster, "awkward", "id", ("id", "text"), read_point(cluster))
    pages = list(reader.pages("", limit=7, careful=careful))
    keys = [key for page in pages for key in page.keys]
    assert keys == texts(400)
    assert max(len(page.keys) for page in pages) <= 7


def test_any_text_can_bound_a_range(cluster: Cluster) -> None:
    """A range between any two keys holds the keys between them, and `count(*)` says as many."""
    keys = texts(400)
    reader = CollectionReader(cluster, "awkward", "id", ("id",), read_point(cluster))
    dice = random.Random(SEED)
    for _ in range(40):
        low, high = sorted(dice.sample(range(len(keys)), 2))
        found = [key for page in reader.pages("", keys[low], keys[high]) for key in page.keys]
        assert found == keys[low + 1 : high + 1]
        assert reader.count("", keys[low], keys[high]) == high - low


def test_any_texts_can_be_counted_by_name(cluster: Cluster) -> None:
    """Counting the entities of listed keys finds each of them."""
    keys = texts(400)
    reader = CollectionReader(cluster, "awkward", "id", ("id",), read_point(cluster))
    assert reader.count_keys("", keys) == len(keys)
    assert all(reader.count_keys("", [key]) == 1 for key in keys[:60])

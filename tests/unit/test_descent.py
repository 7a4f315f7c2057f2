"""What is written of a range that a target refuses in part, and how much of it is set aside."""

from collections.abc import Callable, Collection, Iterator

import pytest

from engine.descent import ASIDE_MAX, Descent, Tally
from engine.errors import TargetUnsupported
from engine.flow import Sizes
from engine.milvus.connection import Cluster
from engine.milvus.failures import MilvusRefused
from engine.milvus.pages import Page
from engine.model import ChunkRange, PrimaryKey
from tests.unit.small import KEYS, Small, reader_of, small_server

VALUE = 1804
"""The code of a refusal of a value."""
WHOLE = ChunkRange(
    collection="c", partition="", ordinal=0, lower=None, upper=KEYS[-1], entities=len(KEYS)
)


@pytest.fixture
def served() -> Iterator[tuple[Small, Cluster]]:
    """The small server and an open cluster of it."""
    with small_server() as served:
        yield served


def refusing(bad: Collection[int], taken: list[PrimaryKey]) -> Callable[[str, Page], None]:
    """A target that takes no request with one of these keys, and notes what it takes."""

    def put(_partition: str, page: Page) -> None:
        if any(key in bad for key in page.keys):
            raise MilvusRefused("the value is too long", VALUE, certain=True)
        taken.extend(page.keys)

    return put


def descent_of(cluster: Cluster, put: Callable[[str, Page], None], tally: Tally) -> Descent:
    """Writes a range of the small server's entities; nobody asks it to end."""
    return Descent(
        reader_of(cluster),
        put,
        check=lambda: None,
        sizes=Sizes(),
        tally=tally,
        takes_again=lambda _place: True,
    )


def test_a_short_page_is_not_the_end_of_what_is_written(served: tuple[Small, Cluster]) -> None:
    """Real servers answer fewer entities than were asked for in the middle of a range: all that follows is written too."""
    handler, cluster = served
    handler.page_max = 7
    taken: list[PrimaryKey] = []
    (aside,) = descent_of(cluster, refusing({100}, taken), Tally()).write(WHOLE, 64)
    assert aside.pk == 100
    assert sorted(map(int, taken)) == [key for key in KEYS if key != 100]


@pytest.mark.parametrize(("earlier", "ends"), [(0, False), (1, True)])
def test_as_many_are_set_aside_as_a_collection_may_have(
    served: tuple[Small, Cluster], earlier: int, *, ends: bool
) -> None:
    """A hundred of a collection, each once, and all others are written; with one of an earlier range they are too many."""
    _, cluster = served
    taken: list[PrimaryKey] = []
    bad = KEYS[: 2 * ASIDE_MAX : 2]
    descent = descent_of(cluster, refusing(bad, taken), Tally(taken=1, refused=earlier))
    if ends:
        with pytest.raises(TargetUnsupported, match="refuses more than 100 entities"):
            descent.write(WHOLE, 64)
        return
    assert [each.pk for each in descent.write(WHOLE, 64)] == list(bad)
    assert sorted(map(int, taken)) == [key for key in KEYS if key not in bad]

"""Chunks: the ranges cover the key space exactly once, whatever the keys, however they arrive in pages."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.model import ChunkRange, CollectionPlan, PartitionPlan, PrimaryKey
from engine.ranges import CHUNK_BYTES, CHUNK_ENTITIES_MAX, chunk_entities, cut, plan_ranges

INTS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
KEYS = st.one_of(
    st.lists(INTS, unique=True, max_size=60).map(sorted),
    st.lists(TEXTS, unique=True, max_size=60).map(sorted),
)
SIZES = st.integers(1, 20)


@st.composite
def paged(draw: st.DrawFn) -> tuple[list[PrimaryKey], list[list[PrimaryKey]]]:
    """Sorted keys, and the same keys in pages of any length, empty ones among them."""
    keys: list[PrimaryKey] = draw(KEYS)
    ends = sorted(draw(st.lists(st.integers(0, len(keys)), max_size=8)))
    bounds = [0, *ends, len(keys)]
    return keys, [keys[a:b] for a, b in pairwise(bounds)]


def holds(key_range: ChunkRange, key: PrimaryKey) -> bool:
    """Whether `lower < pk <= upper`."""
    above = key_range.lower is None or key_range.lower < key  # type: ignore[operator]  # one type
    return above and (key_range.upper is None or key <= key_range.upper)  # type: ignore[operator]  # as above


@given(paged(), SIZES)
def test_every_key_lies_in_exactly_one_range(
    pages: tuple[list[PrimaryKey], list[list[PrimaryKey]]], size: int
) -> None:
    """Each key is in one range, and each range says how many keys it holds, never more than the size."""
    keys, cuts = pages
    ranges = list(cut(cuts, "c", "p", size))
    assert [sum(holds(each, key) for each in ranges) for key in keys] == [1] * len(keys)
    held = [sum(holds(each, key) for key in keys) for each in ranges]
    assert held == [each.entities for each in ranges]
    assert max(held, default=0) <= size
    assert all(number == size for number in held[:-1])


@given(paged(), SIZES, st.one_of(INTS, TEXTS))
def test_no_key_falls_between_the_ranges(
    pages: tuple[list[PrimaryKey], list[list[PrimaryKey]]], size: int, stranger: PrimaryKey
) -> None:
    """The ranges adjoin and are open at both ends, so that a key which came later lies in exactly one too."""
    keys, cuts = pages
    ranges = list(cut(cuts, "c", "p", size))
    assert ranges[0].lower is None
    assert ranges[-1].upper is None
    assert [each.upper for each in ranges[:-1]] == [each.lower for each in ranges[1:]]
    if not keys or type(stranger) is type(keys[0]):
        assert sum(holds(each, stranger) for each in ranges) == 1


@given(paged(), SIZES)
def test_pages_make_no_difference(
    pages: tuple[list[PrimaryKey], list[list[PrimaryKey]]], size: int
) -> None:
    """The same keys in other pages give the same ranges."""
    keys, cuts = pages
    assert list(cut(cuts, "c", "p", size)) == list(cut([keys], "c", "p", size))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), SIZES)
def test_ordinals_are_unique_over_partitions(counts: list[int], size: int) -> None:
    """Over all partitions of a collection the ordinals count up from 0, and each range names its partition."""
    keys = {f"p{place}": list(range(count)) for place, count in enumerate(counts)}
    plan = a_plan(tuple(keys))
    ranges = list(plan_ranges(lambda name: [keys[name]], plan, size))
    assert [each.ordinal for each in ranges] == list(range(len(ranges)))
    assert {each.collection for each in ranges} == {"c"}
    for name, own in keys.items():
        assert sum(each.entities for each in ranges if each.partition == name) == len(own)


def test_keys_are_read_as_ranges_are_taken() -> None:
    """No more pages are drawn than the ranges taken so far need: memory does not grow with the keys."""
    drawn = []

    def pages() -> Iterator[Sequence[int]]:
        for start in range(0, 1_000_000, 10):
            drawn.append(start)
            yield range(start, start + 10)

    ranges = cut(pages(), "c", "", 25)
    first = [next(ranges) for _ in range(4)]
    assert [each.upper for each in first] == [24, 49, 74, 99]
    assert len(drawn) == 11


def test_an_empty_partition_is_one_open_range() -> None:
    """A partition without keys still has a range, so that what was written meanwhile is found."""
    (only,) = cut([], "c", "p", 5, first_ordinal=3)
    assert (only.lower, only.upper, only.entities, only.ordinal) == (None, None, 0, 3)


@given(st.integers(0, 10**10), st.integers(0, 10**14))
def test_a_chunk_is_about_three_megabytes(entities: int, total: int) -> None:
    """A chunk holds one entity at least and a page at most, and its estimated bytes keep within the measure."""
    size = chunk_entities(entities, total)
    assert 1 <= size <= CHUNK_ENTITIES_MAX
    if size > 1 and entities:
        assert size * total <= CHUNK_BYTES * entities


def a_plan(partitions: tuple[str, ...]) -> CollectionPlan:
    """A collection of these partitions."""
    return CollectionPlan(
        name="c",
        definition="",
        fields=(),
        primary_field="id",
        primary_type="INT64",
        auto_id=False,
        entities=0,
        bytes=0,
        partitions=tuple(PartitionPlan(name=name, entities=0) for name in partitions),
        partition_key=False,
        num_partitions=len(partitions),
        shards=1,
        consistency_level="Bounded",
        properties={},
        indexes=(),
        aliases=(),
        loaded=True,
    )

"""The content digest: laws that must hold for any entities."""

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.proof.digest import ContentDigest, differing_fields

FIELDS = ("id", "title", "vector")
Entity = tuple[bytes, ...]
ENTITIES = st.lists(st.tuples(*[st.binary(max_size=3)] * len(FIELDS)), max_size=8)


def columns(entities: Sequence[Entity]) -> dict[str, list[bytes]]:
    """Entities as columns."""
    return {name: [entity[i] for entity in entities] for i, name in enumerate(FIELDS)}


def digest(*pages: Mapping[str, Sequence[bytes]]) -> ContentDigest:
    """The digest of pages."""
    total = ContentDigest()
    for page in pages:
        total.add(page)
    return total


@given(ENTITIES, st.randoms(use_true_random=False))
def test_the_order_of_entities_makes_no_difference(entities: list[Entity], random: Random) -> None:
    """Shuffled entities have the same digest."""
    shuffled = list(entities)
    random.shuffle(shuffled)
    assert digest(columns(shuffled)) == digest(columns(entities))


@given(ENTITIES)
def test_the_order_of_columns_makes_no_difference(entities: list[Entity]) -> None:
    """Columns in another order give the same digest."""
    page = columns(entities)
    assert digest(dict(reversed(page.items()))).hexdigest() == digest(page).hexdigest()


@given(ENTITIES, ENTITIES)
def test_merging_equals_adding_all_pages(first: list[Entity], second: list[Entity]) -> None:
    """Two digests merged, two pages added and one page of both are the same."""
    merged = digest(columns(first))
    merged.merge(digest(columns(second)))
    assert merged == digest(columns(first), columns(second)) == digest(columns(first + second))


@given(ENTITIES, ENTITIES)
def test_digests_are_equal_exactly_when_the_entities_are(
    first: list[Entity], second: list[Entity]
) -> None:
    """Different multisets of entities, however similar their joined bytes, have different digests."""
    assert (digest(columns(first)) == digest(columns(second))) == (
        Counter(first) == Counter(second)
    )


@given(ENTITIES)
def test_an_entity_that_stands_there_twice_changes_the_digest(entities: list[Entity]) -> None:
    """A doubled entity changes count and sum, and a second pair of it does not cancel out."""
    assume(entities)
    seen = {digest(columns(entities + entities[:1] * times)).hexdigest() for times in range(4)}
    assert len(seen) == 4


def test_swapping_a_field_between_two_entities_changes_the_digest() -> None:
    """The same values on other entities are other content."""
    straight = columns([(b"1", b"a", b"v"), (b"2", b"b", b"w")])
    crossed = straight | {"vector": [b"w", b"v"]}
    assert digest(straight) != digest(crossed)


def test_swapping_two_columns_changes_the_digest() -> None:
    """A value belongs to its field's name."""
    page = columns([(b"1", b"a", b"v")])
    assert digest(page) != digest({"id": page["id"], "title": [b"v"], "vector": [b"a"]})
    assert digest({"a": [b"1"]}) != digest({"b": [b"1"]})


@given(ENTITIES)
def test_a_receipt_brings_the_digest_back(entities: list[Entity]) -> None:
    """Count and 32 hexadecimal digits are all there is to keep."""
    before = digest(columns(entities))
    assert len(before.hexdigest()) == 32
    assert ContentDigest.of_receipt(before.count, before.hexdigest()) == before


def test_equality_includes_the_count() -> None:
    """Equal sums over different counts are not equal."""
    assert ContentDigest(1, 7) != ContentDigest(2, 7)


@pytest.mark.parametrize("page", [{}, {"id": [b"1"], "title": []}])
def test_columns_that_are_not_equally_long_are_refused(page: dict[str, list[bytes]]) -> None:
    """A page without columns or with a short one adds nothing."""
    total = ContentDigest()
    with pytest.raises(ValueError, match="equally long"):
        total.add(page)
    assert total == ContentDigest()


def test_the_digest_is_the_same_in_every_release() -> None:
    """Receipts outlive a release: this value must never change."""
    page = {"id": [b"i1", b"i2"], "title": [b"sa", b"\0"]}
    assert digest(page).hexdigest() == "367ed639af5e4e0054cec782a1c504ba"


def test_differing_fields_are_named_and_sorted() -> None:
    """A field that only one side has differs too."""
    assert differing_fields({"b": b"1", "a": b"1", "c": b"1"}, {"b": b"2", "c": b"1"}) == ("a", "b")

"""Comparison by key: what is missing, extra or different, and in which fields."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain, count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DataUnreadable
from engine.model import Mismatch, MismatchKind, PrimaryKey
from engine.proof.comparison import Row, explain, keyed_rows

Entity = tuple[PrimaryKey, bytes, bytes]
Found = tuple[PrimaryKey, str, tuple[str, ...]]

VALUE = st.sampled_from([b"a", b"b", b"c"])
KEYS = st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1))
INTS = st.lists(st.tuples(KEYS, VALUE, VALUE))
TEXTS = st.lists(st.tuples(st.text(max_size=2), VALUE, VALUE))


def rows(entities: Iterable[Entity]) -> list[Row]:
    """Entities as rows in key order."""
    return [(key, {"x": x, "y": y}) for key, x, y in sorted(entities)]


def found(source: Iterable[Row], target: Iterable[Row]) -> list[Found]:
    """Findings without their partition."""
    return [(m.pk, str(m.kind), m.fields) for m in explain(source, target)]


@given(st.one_of(st.tuples(INTS, INTS), st.tuples(TEXTS, TEXTS)))
def test_the_findings_account_for_every_difference(
    sides: tuple[list[Entity], list[Entity]],
) -> None:
    """For each key, what differs as multisets equals the findings: nothing is unnamed and nothing is made up."""
    source, target = map(Counter, sides)
    expected: Counter[tuple[PrimaryKey, str]] = Counter()
    for key in {entity[0] for entity in chain(source, target)}:
        lost = sum(n for e, n in (source - target).items() if e[0] == key)
        more = sum(n for e, n in (target - source).items() if e[0] == key)
        both = min(lost, more)
        expected += Counter({(key, "different"): both})
        expected += Counter({(key, "missing"): lost - both, (key, "extra"): more - both})
    findings = found(rows(sides[0]), rows(sides[1]))
    assert Counter((pk, kind) for pk, kind, _ in findings) == expected
    assert [pk for pk, _, _ in findings] == sorted(pk for pk, _, _ in findings)
    assert all(bool(fields) == (kind == "different") for _, kind, fields in findings)


def test_each_kind_is_named_with_its_key_and_fields() -> None:
    """One entity of each kind, and an equal one that is not mentioned."""
    source = rows([(1, b"a", b"a"), (2, b"a", b"a"), (3, b"a", b"a")])
    target = rows([(1, b"a", b"a"), (2, b"a", b"b"), (4, b"a", b"a")])
    assert list(explain(source, target, "p")) == [
        Mismatch(partition="p", pk=2, kind=MismatchKind.DIFFERENT, fields=("y",)),
        Mismatch(partition="p", pk=3, kind=MismatchKind.MISSING),
        Mismatch(partition="p", pk=4, kind=MismatchKind.EXTRA),
    ]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (["a", "a"], ["a", "a"], []),
        (["a"], ["a", "a"], [(1, "extra", ())]),
        (["a", "a"], ["a"], [(1, "missing", ())]),
        (["a", "b"], ["b", "c"], [(1, "different", ("x",))]),
        (["a"], ["b", "a"], [(1, "extra", ())]),
    ],
)
def test_copies_of_one_key_are_compared_as_a_multiset(
    source: list[str], target: list[str], expected: list[Found]
) -> None:
    """Equal copies cancel out in any order; only the surplus is reported."""
    ours: list[Row] = [(1, {"x": value.encode()}) for value in source]
    theirs: list[Row] = [(1, {"x": value.encode()}) for value in target]
    assert found(ours, theirs) == expected


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_side_out_of_order_is_an_error(side: str) -> None:
    """Comparing on would report entities that are there as missing."""
    right: list[Row] = [(1, {}), (2, {})]
    wrong = right[::-1]
    with pytest.raises(DataUnreadable, match=side):
        found(*((wrong, right) if side == "source" else (right, wrong)))


def test_two_endless_streams_are_compared_as_they_come() -> None:
    """Findings come before the streams end: neither side is ever held."""
    source: Iterable[Row] = ((key, {"x": b""}) for key in count())
    target: Iterable[Row] = ((key, {"x": b"" if key % 1000 else b"!"}) for key in count())
    assert [m.pk for m in islice(explain(source, target), 3)] == [0, 1000, 2000]


def test_a_page_is_turned_into_rows_by_key() -> None:
    """Each key gets its own values, by field name."""
    page = dict(keyed_rows(["k", "l"], {"x": [b"1", b"2"], "y": [b"3", b"4"]}))
    assert page == {"k": {"x": b"1", "y": b"3"}, "l": {"x": b"2", "y": b"4"}}


def test_a_column_with_another_number_of_values_than_keys_is_refused() -> None:
    """A short column would hide entities."""
    with pytest.raises(ValueError, match="zip"):
        list(keyed_rows([1, 2], {"x": [b"1"]}))

"""JSON documents: every spelling of one value is equal, and no two values are."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.milvus.canonical_json import canonical_documents

NUMBERS = st.one_of(st.integers(), st.integers(-(2**70), 2**70), st.floats())
TEXT = st.text(st.characters(codec=None), max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def typed(value: Any) -> Any:
    """A value so that Python's == tells 1, 1.0 and true apart and NaN is equal to itself."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value), repr(value)


def spelled(value: Any, random: Random) -> bytes:
    """The value as JSON in one of many spellings: order of keys, white space, escapes."""
    if isinstance(value, dict):
        pairs = [(json.dumps(key).encode(), spelled(item, random)) for key, item in value.items()]
        random.shuffle(pairs)
        return b"{" + random.choice([b",", b" , "]).join(k + b":" + v for k, v in pairs) + b"}"
    if isinstance(value, list):
        return (
            b"["
            + random.choice([b",", b"\n,"]).join(spelled(item, random) for item in value)
            + b"]"
        )
    return json.dumps(value, ensure_ascii=True).encode()


def one(document: bytes) -> bytes:
    """The canonical bytes of one document."""
    return canonical_documents([document])[0]


@given(VALUES, st.randoms(use_true_random=False))
def test_every_spelling_of_a_document_is_equal(value: Any, random: Random) -> None:
    """Key order, white space and escapes make no difference, alone or beside other documents of a page."""
    first, second = spelled(value, random), spelled(value, random)
    assert one(first) == one(second) == canonical_documents([b"not json", second])[1]
    assert not one(first).startswith(b"!")


@given(VALUES, VALUES)
@example([1], [1.0])
@example([1], [True])
@example([0.0], [-0.0])
@example([2**64], [2**64 + 1])
@example([-(2**63) - 1], [-(2**63) - 2])
@example([10**30], [1e30])
@example([float("nan")], [None])
@example({"a": None}, {})
@example(["a", "b"], ["b", "a"])
def test_documents_are_equal_exactly_when_their_values_are(first: Any, second: Any) -> None:
    """No two different values share their canonical bytes."""
    random = Random(0)
    assert (one(spelled(first, random)) == one(spelled(second, random))) == (
        typed(first) == typed(second)
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"1e2", b"100.0"),
        (b"0.1", b"0.1000000000000000055511151231257827"),
        (b'"\\u00e9"', '"é"'.encode()),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"id":"-1234567890123456789"}', b' {"id" :"-1234567890123456789"}'),
        (b"18446744073709551615", b" 18446744073709551615"),
        (b"NaN", b" NaN"),
        (b"[" * 300 + b"]" * 300, b" " + b"[" * 300 + b"]" * 300),
    ],
)
def test_one_value_in_two_spellings_is_equal(first: bytes, second: bytes) -> None:
    """Floats, escapes, a key that comes twice, long numbers in text, and values that only the slower encoder can write."""
    assert one(first) == one(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"1e400", b"1e500"),
        (b"1e400", b"Infinity"),
        (b"", b"null"),
        (b"\xff", b"\xfe"),
        (b"{", b"{ "),
        (b"NaN", b'"NaN"'),
    ],
)
def test_what_is_no_document_is_compared_byte_by_byte(first: bytes, second: bytes) -> None:
    """Numbers beyond a double, broken text and bytes that are no text never become equal."""
    assert one(first) != one(second)
    assert one(first) == one(bytes(first))


def deeper(frames: int, document: bytes) -> bytes:
    """Its canonical bytes, asked for by so many callers."""
    return deeper(frames - 1, document) if frames else one(document)


@pytest.mark.parametrize("depth", [255, 400, 500, 900, 950, 1_000, 5_000, 100_000])
@pytest.mark.parametrize("inner", [b"", b'"[[[\\"[[["'])
def test_a_deep_document_has_one_form_whoever_asks(depth: int, inner: bytes) -> None:
    """A document of any depth has the same canonical bytes however deep the stack is; one bracket more makes others."""
    document = b'{"b":1,"a":' + b"[" * depth + inner + b"]" * depth + b"}"
    assert one(document) == deeper(60, document) == deeper(150, document)
    assert one(document) != one(document.replace(b"[", b"[[", 1).replace(b"]", b"]]", 1))

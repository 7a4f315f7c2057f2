"""Filter expressions over primary keys: whatever a key holds, it stays one literal and says the same key."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.milvus.expressions import key_in, key_range, lists, literal

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
INTS = st.integers(-(2**63), 2**63 - 1)

LITERAL = re.compile(r'"(?:[^"\\\n\r]|\\["\\nrt])*"')
"""A string of Milvus's grammar (Plan.g4, StringLiteral), of the escapes that both its parsers know."""

_ESCAPED = re.compile(r"\\(.)")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


def unquoted(text: str) -> str:
    """What a server reads back from a literal."""
    return _ESCAPED.sub(lambda found: _PLAIN[found[1]], text[1:-1])


@given(TEXTS)
@example('say "hi"')
@example("C:\\new\\table\\")
@example("line\nbreak\r\n")
@example("a\0" + "7")
@example('" or id != "')
def test_any_text_is_one_literal(key: str) -> None:
    """A text is quoted as one single literal of the grammar, and reads back as the same text."""
    quoted = literal(key)
    assert LITERAL.fullmatch(quoted)
    assert unquoted(quoted) == key


@given(TEXTS, TEXTS)
def test_different_keys_have_different_literals(one: str, other: str) -> None:
    """No two keys are quoted alike."""
    assert (literal(one) == literal(other)) == (one == other)


@given(INTS)
def test_an_integer_is_written_as_it_is(key: int) -> None:
    """An INT64 key is its own decimal number."""
    assert int(literal(key)) == key


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (None, None, ""),
        (7, None, "id > 7"),
        (None, 9, "id <= 9"),
        (7, 9, "id > 7 and id <= 9"),
        (0, 0, "id > 0 and id <= 0"),
        ("", "a", 'id > "" and id <= "a"'),
    ],
)
def test_a_range_is_open_where_no_bound_is_given(
    lower: int | str | None, upper: int | str | None, expected: str
) -> None:
    """`lower < pk <= upper`; a missing bound says nothing, and neither 0 nor "" is a missing bound."""
    assert key_range("id", lower, upper) == expected


def test_the_smallest_integer_is_never_written_with_its_sign() -> None:
    """-2⁶³ does not occur: servers read the digits before the sign, and they do not fit."""
    least = -(2**63)
    assert key_range("id", least, None) == f"id >= {least + 1}"
    assert key_range("id", None, least) == f"id < {least + 1}"
    assert key_in("id", [least, 5]) == f"(id in [5] or id < {least + 1})"


@given(st.lists(TEXTS, max_size=5))
def test_a_list_of_keys_holds_each_once(keys: list[str]) -> None:
    """`in` lists every key as its literal, in the order given."""
    assert key_in("id", keys) == f"id in [{', '.join(map(literal, keys))}]"


@pytest.mark.parametrize("key", ['"' * 65_000, "é" * 30_000, "x"])
def test_lists_of_keys_fit_a_request(key: str) -> None:
    """A thousand keys of any length are listed in requests of a few MB, each key once and in order."""
    keys = [f"{number:04}{key}" for number in range(1_000)]
    cut = list(lists(keys))
    assert [each for listed in cut for each in listed] == keys
    assert max(len(key_in("id", listed).encode()) for listed in cut) < 2 << 20
    assert len(cut) < 150
    assert list(lists([])) == []

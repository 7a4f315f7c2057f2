"""Gives JSON documents of equal meaning equal bytes, at the cost of a few hundred nanoseconds each; never changes a document.

    canonical_documents([b'{"b": 1, "a": 2}', ...])  ->  [b'J{"a":2,"b":1}', ...]

The order of keys, white space, escapes and the spelling of a float make no difference. What does: 1 against 1.0 (a type), integers
of any size digit by digit, an absent key against an explicit null, -0.0 against 0.0, the order of an array. Floats are doubles, as
in the servers. Of a key that comes twice the last one counts, as for every common parser. NaN and Infinity, which are no JSON but
which Python's encoder writes, are values of their own. What is no document at all is compared byte by byte.

Every value has one form and so one tag: J where orjson can write it, K where only the slower encoder of the standard library is
exact (integers above 64 bits, NaN, Infinity, lone surrogates, depth), ! for bytes that are no document, or nested deeper than
`_DEPTH_MAX`: how deep the standard library reads depends on how deep its caller stands, and both sides have not the same caller.
"""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate
from math import isinf
from typing import Any

import orjson

_DIGITS = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_LONG = b"0" * 19
"""Digits that an integer needs to be below -2**63; one digit more to be above 2**64 - 1."""

_DEPTH_MAX = 500
"""Half of Python's limit, which the frames of the caller count against too."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NO_BRACKETS = bytes(each for each in range(256) if each not in b"[]{}")


def canonical_documents(documents: Sequence[bytes]) -> list[bytes]:
    """The canonical bytes of each document, in the same order."""
    if not _may_exceed_64_bit(b" ".join(documents)):
        with suppress(orjson.JSONDecodeError, orjson.JSONEncodeError):  # then look at each
            return _plain(documents)
    return [_document(document) for document in documents]


def _plain(documents: Sequence[bytes]) -> list[bytes]:
    loads, dumps, sort = orjson.loads, orjson.dumps, orjson.OPT_SORT_KEYS
    return [b"J" + dumps(loads(document), None, sort) for document in documents]


def _document(document: bytes) -> bytes:
    if not _may_exceed_64_bit(document):
        with suppress(orjson.JSONDecodeError, orjson.JSONEncodeError):
            return _plain((document,))[0]
    return _unusual(document)


def _may_exceed_64_bit(text: bytes) -> bool:
    """Whether an integer in it may be one that orjson would read as a float; long fractions, the usual long runs, are not."""
    digits = text.translate(_DIGITS) + b" "
    start = digits.find(_LONG)
    while start >= 0:
        end = digits.find(b" ", start)
        before = text[start - 1 : start]
        if before == b"-" or (before != b"." and end - start > len(_LONG)):
            return True
        start = digits.find(_LONG, end)
    return False


def _unusual(document: bytes) -> bytes:
    if _depth(document) > _DEPTH_MAX:
        return b"!" + document
    nonfinite: list[str] = []

    def constant(name: str) -> float:
        nonfinite.append(name)
        return float(name)

    try:
        value = json.loads(document.decode(), parse_constant=constant, parse_float=_finite)
        return b"K" + _exact(value) if nonfinite else _shortest(value)
    except (ValueError, RecursionError):
        return b"!" + document


def _depth(document: bytes) -> int:
    """How many brackets are open at most."""
    brackets = _STRING.sub(b"", document).translate(None, _NO_BRACKETS)
    return max(accumulate(1 if each in b"[{" else -1 for each in brackets), default=0)


def _shortest(value: Any) -> bytes:
    try:
        return b"J" + orjson.dumps(value, None, orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return b"K" + _exact(value)


def _exact(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError("beyond a double")  # two such numbers must not both become Infinity
    return number

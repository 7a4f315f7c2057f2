r"""Gives a geometry the same bytes whether a server sent it as text (WKT) or in binary (WKB), and however it spelled it.

    canonical_wkt("point(1 2.0)") == canonical_wkb(b"\x01\x01\x00...") == b"gPOINT ( 1.0 2.0 )"

Numbers are doubles. Nothing is computed: two polygons that start at another corner differ. What cannot be parsed is compared as it
is, under another tag: text with h, bytes with w (among them WKB with a spatial reference, which Milvus does not store).
Source: OGC 06-103r4, 7 (WKT) and 8 (WKB).
"""

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from math import isnan
from typing import Any

_PART = re.compile(r"[A-Za-z]+|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[(),]")
_NAMES = (
    "",
    "POINT",
    "LINESTRING",
    "POLYGON",
    "MULTIPOINT",
    "MULTILINESTRING",
    "MULTIPOLYGON",
    "GEOMETRYCOLLECTION",
)
_ORDINATES = ("", "Z", "M", "ZM")
_POINT, _LINE, _POLYGON, _COLLECTION = 1, 2, 3, 7


def canonical_wkt(text: str) -> bytes:
    """Canonical bytes of a geometry in text."""
    parts = _PART.findall(text)
    if not parts or "".join(parts) != "".join(text.split()):
        return b"h" + text.encode()
    words = [word for part in parts for word in _words(part)]
    if (
        words[0] == "MULTIPOINT"
    ):  # both MULTIPOINT(1 2, 3 4) and MULTIPOINT((1 2), (3 4)) are in use
        words = _without_inner_parentheses(words)
    return b"g" + " ".join(words).encode()


def canonical_wkb(blob: bytes) -> bytes:
    """Canonical bytes of a geometry in binary."""
    try:
        reader = _Reader(blob)
        words = list(reader.geometry())
        if reader.position != len(blob):
            return b"w" + blob
    except (
        struct.error,
        IndexError,
        RecursionError,
    ):  # cut off, an unknown kind, or not a geometry
        return b"w" + blob
    return b"g" + " ".join(words).encode()


def _words(part: str) -> Iterator[str]:
    if not part[0].isalpha():
        yield part if part in "()," else repr(float(part))
        return
    word = part.upper()
    for suffix in ("ZM", "Z", "M"):
        if word.endswith(suffix) and word.removesuffix(suffix) in _NAMES[1:]:
            yield word.removesuffix(suffix)
            yield suffix
            return
    yield word


def _without_inner_parentheses(words: list[str]) -> list[str]:
    if "(" not in words:
        return words
    first = words.index("(")
    inner = [word for word in words[first + 1 : -1] if word not in "()"]
    return [*words[: first + 1], *inner, words[-1]]


class _Reader:
    """Reads WKB and yields the words of the same geometry in text."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self.position = 0

    def geometry(self, *, member: bool = False) -> Iterator[str]:
        """One geometry; a member of a multi-geometry has no name in text, and a member point no parentheses."""
        order = "<" if self._blob[self.position] else ">"
        self.position += 1
        code = self._read(order + "I")[0]
        kind, ordinates = code % 1000, _ORDINATES[code // 1000]
        if not member:
            yield from filter(None, (_NAMES[kind], ordinates))
        point = f"{order}{2 + len(ordinates)}d"
        if kind == _POINT:
            words = self._point(point)
            yield from words if member or words == ["EMPTY"] else ["(", *words, ")"]
        elif kind == _LINE:
            yield from self._list(order, lambda: self._point(point))
        elif kind == _POLYGON:
            yield from self._list(order, lambda: self._list(order, lambda: self._point(point)))
        else:
            yield from self._list(order, lambda: self.geometry(member=kind != _COLLECTION))

    def _read(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self._blob, self.position)
        self.position += struct.calcsize(layout)
        return values

    def _point(self, layout: str) -> list[str]:
        numbers = self._read(layout)
        return ["EMPTY"] if all(map(isnan, numbers)) else [repr(number) for number in numbers]

    def _list(self, order: str, item: Callable[[], Iterable[str]]) -> Iterator[str]:
        count = self._read(order + "I")[0]
        if not count:
            yield "EMPTY"
            return
        for index in range(count):
            yield "," if index else "("
            yield from item()
        yield ")"

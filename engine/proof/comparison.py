"""Says which entities of two key-ordered streams differ, and in which fields; pure, and it holds one key at a time.

    source = keyed_rows(keys, columns)                      # one page; chain pages for a whole range
    for mismatch in explain(source, target, partition):     # engine.model.Mismatch, in the order of the keys
        ...

Values are canonical bytes (`engine/milvus/canonical.py`). Nothing is read or repaired here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import TypeAlias

from engine.errors import DataUnreadable
from engine.model import Mismatch, MismatchKind, PrimaryKey
from engine.proof.digest import differing_fields

Row: TypeAlias = tuple[PrimaryKey, Mapping[str, bytes]]
"""An entity: its primary key and its canonical values by field name."""

_Group: TypeAlias = tuple[PrimaryKey, list[Mapping[str, bytes]]]


def keyed_rows(keys: Sequence[PrimaryKey], columns: Mapping[str, Sequence[bytes]]) -> Iterator[Row]:
    """Yields a page's entities one by one with their keys; `dict(keyed_rows(...))` is the page by key.

    Raises:
        ValueError: A column has not one value per key.
    """
    names = tuple(columns)
    for key, *values in zip(keys, *columns.values(), strict=True):
        yield key, dict(zip(names, values, strict=True))


def explain(
    source: Iterable[Row], target: Iterable[Row], partition: str = ""
) -> Iterator[Mismatch]:
    """Yields every entity that is not the same on both sides, in the order of the keys.

    Both sides must come in ascending key order. Copies of one key are compared as a multiset, because a server that does not
    enforce unique keys may hold several: copies that are equal on both sides cancel out, what remains is paired as DIFFERENT, and
    the surplus is MISSING (the source has more) or EXTRA (the target has more).

    Args:
        source: Entities of the source.
        target: Entities of the target, same range and fields.
        partition: The partition's name, for the findings.

    Raises:
        DataUnreadable: A side is not in key order.
    """
    ours, theirs = _groups(source, "source"), _groups(target, "target")
    mine, yours = next(ours, None), next(theirs, None)
    while mine is not None or yours is not None:
        key = min(group[0] for group in (mine, yours) if group is not None)
        here = mine[1] if mine is not None and mine[0] == key else []
        there = yours[1] if yours is not None and yours[0] == key else []
        yield from _compare(key, here, there, partition)
        mine = next(ours, None) if here else mine
        yours = next(theirs, None) if there else yours


def _groups(rows: Iterable[Row], side: str) -> Iterator[_Group]:
    previous: PrimaryKey | None = None
    for key, group in groupby(rows, key=itemgetter(0)):
        if previous is not None and not _before(previous, key):
            raise DataUnreadable(
                f"The {side} answered key {key!r} after {previous!r}, out of order.",
                state="Nothing was changed; the comparison stopped there.",
                next_step="Verify again, and tell us the server's version if it happens again.",
            )
        previous = key
        yield key, [values for _, values in group]


def _compare(
    key: PrimaryKey,
    source: list[Mapping[str, bytes]],
    target: list[Mapping[str, bytes]],
    partition: str,
) -> Iterator[Mismatch]:
    surplus = list(target)
    absent = []
    for values in source:
        if values in surplus:
            surplus.remove(values)
        else:
            absent.append(values)
    for ours, theirs in zip_longest(absent, surplus):
        if theirs is None:
            yield Mismatch(partition=partition, pk=key, kind=MismatchKind.MISSING)
        elif ours is None:
            yield Mismatch(partition=partition, pk=key, kind=MismatchKind.EXTRA)
        else:
            fields = differing_fields(ours, theirs)
            yield Mismatch(partition=partition, pk=key, kind=MismatchKind.DIFFERENT, fields=fields)


def _before(first: PrimaryKey, second: PrimaryKey) -> bool:
    # Python orders text by code points, which is the servers' order of UTF-8 bytes.
    return first < second  # type: ignore[operator]  # both come from one typed column

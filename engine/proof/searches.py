"""Compares what searches find on both sides of a proved copy: the same queries, taken from the source, asked as exactly as can be.

It is told beside the proof and changes nothing about it: an index that approximates may answer otherwise on either side though
every entity is the same. Nothing is written here.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from engine.errors import FerryError
from engine.milvus.pages import CollectionReader
from engine.milvus.searching import Hits, VectorField, search, values_of, vector_fields
from engine.model import ChunkRange, CollectionPlan, SearchComparison

QUERIES: Final = 10
TOP_K: Final = 10
RANGES: Final = 3
"""How many ranges the queries come from: each read costs more (40 ms, measured) than a search (5 to 30 ms)."""
_TIE: Final = 1e-5
"""Scores that differ by less than this share are the same: servers add floats in different orders."""


def compare_searches(
    source: CollectionReader,
    target: CollectionReader,
    plan: CollectionPlan,
    ranges: Sequence[ChunkRange],
) -> tuple[SearchComparison, ...]:
    """Searches each vector field on both sides, which must be loaded, by what a few entities of the source have there.

    That is the vector itself; a field that a BM25 function makes is searched by the text that it is made of.

    Args:
        source: The source's collection.
        target: The target's collection.
        plan: Its definition.
        ranges: Where to take the queries from, `RANGES` at most.
    """
    fields = tuple(vector_fields(plan))
    if not fields or not ranges:
        return ()
    try:
        queries = _queries(source, fields, ranges)
    except FerryError as failure:
        return tuple(_not_compared(_told(field), failure) for field in fields)
    return tuple(_compared(source, target, field, queries[field.asked_by]) for field in fields)


def sentence(found: SearchComparison, uncopied: int = 0) -> str:
    """What there is to say of a field whose searches do not find the same; "" where they do.

    Args:
        found: What they found.
        uncopied: Entities of the source that share the key of another one, which a search finds and no query answers.
    """
    if found.reason:
        return f"Searches on “{found.field}” were not compared: {found.reason}"
    if found.overlap == 1.0:
        return ""
    why = f"{found.index_type} is approximate and was built anew on the target"
    if found.exact:
        why = "every entity was looked at, so look at the target's index"
    if found.by_text:
        why = "words are weighed by statistics that each server keeps for itself"
    if uncopied:
        why = (
            f"the source also finds the {uncopied:,} entities that share a key and were not copied"
        )
    return (
        f"Searches on “{found.field}” find {found.overlap:.0%} of the same {found.top_k} nearest entities "
        f"({found.queries} queries): {why}. The entities themselves are as said above."
    )


def overlap(ours: Sequence[Hits], theirs: Sequence[Hits]) -> float:
    """The share of the source's hits that the target finds too, 0 … 1; those that tie with the last hit stand for each other."""
    wanted = sum(map(len, ours))
    return sum(map(_common, ours, theirs)) / wanted if wanted else 1.0


def _common(ours: Hits, theirs: Hits) -> int:
    keys = {key for key, _ in ours}
    last = ours[-1][1] if ours else math.nan
    same = sum(
        key in keys or math.isclose(score, last, rel_tol=_TIE, abs_tol=_TIE)
        for key, score in theirs
    )
    return min(same, len(ours))


def _queries(
    source: CollectionReader, fields: Sequence[VectorField], ranges: Sequence[ChunkRange]
) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {field.asked_by: [] for field in fields}
    reader = replace(source, fields=(source.key_field, *found))
    each = math.ceil(QUERIES / len(ranges))
    for place in ranges:
        pages = reader.pages(place.partition, place.lower, place.upper, limit=each)
        page = next(pages, None)
        for column in page.messages() if page else ():
            if column.field_name in found:
                values = values_of(column, len(page.keys) if page else 0)
                found[column.field_name] += values[: QUERIES - len(found[column.field_name])]
    return found


def _compared(
    source: CollectionReader, target: CollectionReader, field: VectorField, queries: list[bytes]
) -> SearchComparison:
    told = _told(field, len(queries))
    if not queries:
        what = "text" if field.by_text else "vector"
        return told.model_copy(update={"reason": f"none of the entities looked at has a {what}."})
    try:
        ours, theirs = (search(side, field, queries, TOP_K) for side in (source, target))
    except FerryError as failure:
        return _not_compared(told, failure)
    return told.model_copy(update={"overlap": overlap(ours, theirs)})


def _told(field: VectorField, queries: int = 0) -> SearchComparison:
    return SearchComparison(
        field=field.name,
        index_type=field.index_type,
        queries=queries,
        top_k=TOP_K,
        exact=field.exact,
        by_text=field.by_text,
    )


def _not_compared(told: SearchComparison, failure: FerryError) -> SearchComparison:
    """The copy is proved by now: that a read or a search fails must be said, and fails nothing."""
    return told.model_copy(update={"reason": failure.message})


def sentences(found: Sequence[SearchComparison], uncopied: int) -> Iterator[str]:
    """What there is to say of all fields, as in `sentence`."""
    return filter(None, (sentence(each, uncopied) for each in found))

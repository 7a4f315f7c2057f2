"""Counting findings: all of them are counted and listed, few are kept."""

import tracemalloc
from collections import Counter

from engine.model import (
    EXAMPLES_MAX,
    Chunk,
    ChunkRange,
    CollectionReport,
    Found,
    Mismatch,
    MismatchKind,
)
from engine.proof.tally import Tally
from engine.proof.verifier import Finding

MANY = 100_000
BYTES_MAX = 1 << 20

CHUNK = Chunk(
    id=1,
    range=ChunkRange(collection="c", partition="p", ordinal=0, lower=None, upper=7, entities=9),
)


def mismatch(key: int) -> Mismatch:
    """A missing entity."""
    return Mismatch(partition="p", pk=key, kind=MismatchKind.MISSING)


def test_memory_does_not_grow_with_the_findings() -> None:
    """A chunk that is wholly different is counted and listed to its last key while only the first few are held."""
    kinds: Counter[str] = Counter()
    tally = Tally("c", lambda found: kinds.update([found.kind]))
    tracemalloc.start()
    tally.record(Finding(CHUNK, MANY, (mismatch(key) for key in range(MANY))))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    report = tally.added_to(CollectionReport(name="c", source_entities=MANY))
    assert (report.missing, len(report.examples), kinds["missing"]) == (MANY, EXAMPLES_MAX, MANY)
    assert peak < BYTES_MAX


def test_an_error_is_listed_with_its_range() -> None:
    """A range that could not be compared is one line with its bounds and the reason, and one sentence for all of them."""
    lines: list[Found] = []
    tally = Tally("c", lines.append)
    for _ in range(2):
        tally.record(Finding(CHUNK, 9, error="The server said nonsense."))
    assert lines[0] == Found.of_error(CHUNK.range, "The server said nonsense.")
    assert (lines[0].kind, lines[0].upper) == ("error", 7)
    assert tally.uncompared.faults == (
        "18 entities in 2 ranges of keys could not be compared: The server said nonsense.",
    )

"""Entities whose sizes differ a thousandfold: pages shrink until the server can answer them, and memory stays bounded."""

import pytest

from engine import copier
from engine.model import Outcome
from tests.engine.bed import Bed, rows

pytestmark = pytest.mark.real_milvus

SMALL, LARGE = 150, 1_850
TEXT = "x" * 59_000


def test_pages_shrink_until_they_can_be_answered(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """One range of small entities and 109 MB of large ones, over what Milvus answers at once, is copied and verified."""
    monkeypatch.setattr(copier, "HELD_BYTES_MAX", 8 << 20)
    bed.source.create("mixed")
    bed.source.insert("mixed", rows(range(SMALL)))
    large = [row | {"text": TEXT} for row in rows(range(SMALL, SMALL + LARGE))]
    for start in range(0, LARGE, 500):
        bed.source.insert("mixed", large[start : start + 500])
    migration = bed.queued("mixed")
    report = bed.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    assert bed.chunks(migration, "mixed") == (1, 1, 1)
    assert report.bytes > LARGE * len(TEXT)
    assert bed.target.count("mixed") == SMALL + LARGE
    (last,) = bed.target.get("mixed", [SMALL + LARGE - 1]).values()
    assert last["text"] == TEXT

"""Entities whose sizes differ a thousandfold: pages and requests shrink until they pass, and memory stays bounded."""

from collections.abc import Callable

import pytest

from engine import copier
from engine.model import Outcome
from tests.engine.bed import Bed, Side, rows
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

SMALL, LARGE = 150, 150
TEXT = "x" * 59_000
LIMIT = 2_000_000
"""Bytes of a message: about thirty of the large entities."""

Proxied = Callable[[Side], Proxy]


@pytest.fixture
def mixed(bed: Bed) -> Bed:
    """A bed with 150 small entities and then 150 of 59 KB, so that a page that suits the first is too large for the others."""
    bed.source.create("mixed")
    bed.source.insert("mixed", rows(range(SMALL)))
    large = (row | {"text": TEXT} for row in rows(range(SMALL, SMALL + LARGE)))
    bed.source.insert("mixed", large)
    return bed


def test_messages_shrink_until_they_pass(
    mixed: Bed, proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range over what either server passes in one message, and over what is held in memory, is copied and verified."""
    monkeypatch.setattr(copier, "HELD_BYTES_MAX", 1 << 20)
    source, target = proxied(mixed.source), proxied(mixed.target)
    source.limit("Query", LIMIT)
    target.limit("Query", LIMIT)
    target.limit("Insert", LIMIT // 2)
    target.limit("Upsert", LIMIT // 2)
    migration = mixed.queued("mixed", source_uri=source.uri, target_uri=target.uri)
    report = mixed.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    assert mixed.chunks(migration, "mixed") == (1, 1, 1)
    assert report.bytes > LARGE * len(TEXT)
    mixed.assert_same("mixed", range(SMALL + LARGE))


def test_many_entities_that_never_pass_end_it(mixed: Bed, proxied: Proxied) -> None:
    """When the target accepts none of a hundred and more entities, the migration ends and says so."""
    target = proxied(mixed.target)
    target.limit("Insert", len(TEXT) // 2)
    target.limit("Upsert", len(TEXT) // 2)
    report = mixed.run(mixed.queued("mixed", target_uri=target.uri))
    assert report.status is Outcome.FAILED
    assert report.error is not None
    assert report.error.code == "E-TARGET-UNSUPPORTED"
    assert "refuses more than 100 entities of “mixed”" in report.error.message
    assert "cannot pass a message of this size" in report.error.message

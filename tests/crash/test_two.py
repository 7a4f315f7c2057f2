"""Two migrations of one ledger that go to one place: neither takes, drops or fills what the other one made."""

from collections.abc import Callable

import pytest

import engine
from engine.lifecycle import EventName, Status
from engine.model import Secrets
from tests.crash.lane import NUMBERS, WHO, Lane, Run
from tests.crash.workers import KILLED, LEASE_SECONDS

pytestmark = pytest.mark.real_milvus

Lanes = Callable[[int], list[Lane]]


def _second(first: Run) -> Run:
    """Another migration that was planned as the first one was, when nothing stood there."""
    plan = first.lane.ledger.migration(first.id).plan
    assert plan is not None
    return first.lane.queued(plan)


def _act(run: Run, event: EventName) -> None:
    with run.lane.ledger.transaction() as act:
        act.apply(run.id, event, actor=WHO)


def test_an_undo_leaves_what_another_migration_has_just_made(lanes: Lanes) -> None:
    """A worker died before it made its collection, and another migration made that one: an undo of the first leaves it alone."""
    (lane,) = lanes(1)
    with lane.migration() as first:
        second = _second(first)
        assert first.work("creating:1") == KILLED
        assert second.work("creation_recorded:1") == KILLED
        _act(first, EventName.CANCEL)
        engine.undo(lane.ledger, first.id, Secrets(), lease_seconds=LEASE_SECONDS)
        assert lane.ledger.migration(first.id).status is Status.UNDONE
        assert second.left() == [second.database, NUMBERS]
        assert second.work() == 0
        assert second.wrong().nothing

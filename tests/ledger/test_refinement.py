"""The SQL ledger against the pure table, in orders that Hypothesis chooses: what `advance` says is what the database holds.

`tests/unit/test_lifecycle_walk.py` walks the table itself to the end; here the question is only whether SQL does the same.
"""

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.errors import CancelRequested, LeaseLost, MigrationBusy
from engine.ledger import Ledger, TransitionRefused
from engine.lifecycle import (
    HELD,
    TAKING_EVENTS,
    WORKER_EVENTS,
    Advance,
    EventName,
    Situation,
    Status,
    advance,
)
from engine.model import Endpoint, Lease, Request
from tests.beds.ledgers import put

SECONDS = 30
WORKERS = st.integers(min_value=0, max_value=1)
PEOPLE = st.sampled_from([e for e in EventName if e not in WORKER_EVENTS | TAKING_EVENTS])
REFUSALS = (TransitionRefused, MigrationBusy, LeaseLost, CancelRequested)


class LedgerFollowsTheTable(RuleBasedStateMachine):
    """Two workers and people act on one migration while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        url = put(f"sqlite:///{Path(folder) / 'l.db'}")
        opened = Ledger.open(url, clock=lambda: self.now)
        self.ledger = self.stack.enter_context(opened)
        place = Endpoint(name="a", uri="http://a")
        with self.ledger.transaction() as transaction:
            wish = Request(source=place, target=place)
            self.id = transaction.add_migration(wish, requester="U1").id
        self.table = Situation(
            Status.PLANNING, cancel_requested=False, lease_live=False, attempts=0, cleared=False
        )
        self.expires = self.now
        self.leases: list[Lease | None] = [None, None]
        self.holder: int | None = None
        self.events = 1

    def teardown(self) -> None:
        """Close the ledger and remove it."""
        self.stack.close()

    def expect(self, event: EventName, act: Any, *, allowed: bool = True) -> Any:
        """Do it in the ledger: taken exactly if the table takes it and the actor may."""
        decision = advance(self.table, event)
        if allowed and isinstance(decision, Advance):
            result = act()
            self.table = decision.to
            self.events += 1
            if self.table.status not in HELD:
                self.holder = None
            return result
        with pytest.raises(REFUSALS):
            act()
        return None

    @rule(worker=WORKERS, event=st.sampled_from(sorted(TAKING_EVENTS)))
    def claim(self, worker: int, event: EventName) -> None:
        """A worker claims, or begins to undo."""
        lease = self.expect(event, lambda: self.ledger.claim(self.id, f"w{worker}", SECONDS, event))
        if lease is not None:
            self.leases[worker] = lease
            self.holder = worker
            self.expires = self.now + timedelta(seconds=SECONDS)

    @rule(worker=WORKERS, event=st.sampled_from(sorted(WORKER_EVENTS)))
    def finish(self, worker: int, event: EventName) -> None:
        """A worker ends its attempt, as the holder or late."""
        lease = self.leases[worker]
        if lease is not None:
            mine = self.holder == worker
            self.expect(event, lambda: self.ledger.finish(lease, event), allowed=mine)

    @rule(worker=WORKERS)
    def renew(self, worker: int) -> None:
        """A worker renews, as the holder or late."""
        lease = self.leases[worker]
        if lease is None:
            return
        if self.holder != worker:
            with pytest.raises(LeaseLost):
                self.ledger.renew(lease, SECONDS)
            return
        self.ledger.renew(lease, SECONDS)
        self.expires = self.now + timedelta(seconds=SECONDS)
        self.pass_time(0)

    @rule(worker=WORKERS, loaded=st.booleans())
    def load(self, worker: int, loaded: bool) -> None:
        """A worker loads a collection to read it, or puts it back, as the holder or late."""
        lease = self.leases[worker]
        if lease is None:
            return
        found = None if not loaded else False
        if self.holder != worker:
            with pytest.raises(LeaseLost):
                self.ledger.set_collection(lease, "c", source_was_loaded=found)
            return
        self.ledger.set_collection(lease, "c", source_was_loaded=found)
        self.table = replace(self.table, borrowed=loaded)

    @rule(event=PEOPLE)
    def act(self, event: EventName) -> None:
        """Someone acts, or the scheduler."""

        def apply() -> None:
            with self.ledger.transaction() as transaction:
                transaction.apply(self.id, event, actor="U1")

        self.expect(event, apply)

    @rule(seconds=st.sampled_from([0, 10, 29, 31]))
    def pass_time(self, seconds: int) -> None:
        """Time passes; a lease may expire."""
        self.now += timedelta(seconds=seconds)
        held = self.table.status in HELD
        self.table = replace(self.table, lease_live=held and self.expires > self.now)

    @invariant()
    def ledger_is_as_the_table_says(self) -> None:
        """State, flag, attempts and the number of events are those of the table."""
        migration = self.ledger.migration(self.id)
        assert migration.status is self.table.status
        assert (migration.cancel_requested_at is not None) is self.table.cancel_requested
        assert (migration.pause_requested_at is not None) is self.table.pause_requested
        assert migration.attempts == self.table.attempts
        assert (migration.cleared_at is not None) is self.table.cleared
        assert len(self.ledger.events()) == self.events
        dead = self.table.status in HELD and not self.table.lease_live
        assert self.ledger.expired_leases(self.now) == ((self.id,) if dead else ())


LedgerFollowsTheTable.TestCase.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, print_blob=True
)
TestLedgerFollowsTheTable = LedgerFollowsTheTable.TestCase

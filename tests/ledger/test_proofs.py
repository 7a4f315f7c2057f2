"""How long a proof holds: through kills, restarts and short pauses, not beyond an end and not for hours without a worker."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from engine.ledger import Ledger
from engine.ledger.proofs import HOLDS
from engine.lifecycle import EventName, Status
from engine.model import Chunk, Lease, Migration, Mismatch, MismatchKind, Receipt

Act = Callable[[str, EventName], Migration]
Chunked = Callable[..., list[int]]

RECEIPT = Receipt(entities=10, bytes=640, digest="0123456789abcdef" * 2)
OTHER = "another-host:1:boot:cafe"
LATER = HOLDS.total_seconds() + 1
LEASE_SECONDS = 30


@pytest.fixture
def compared(ledger: Ledger, lease: Lease, chunked: Chunked) -> list[int]:
    """Three copied chunks: the first was found the same, the second was not, the third is not compared yet."""
    same, other, waiting = chunked(3)
    for chunk in (same, other, waiting):
        ledger.record_receipt(lease, chunk, RECEIPT)
    ledger.record_verified(lease, same)
    lost = Mismatch(partition="_default", pk=12, kind=MismatchKind.MISSING)
    ledger.record_verified(lease, other, [lost])
    return [same, other, waiting]


def verdicts(ledger: Ledger, lease: Lease) -> list[bool | None]:
    """Of the chunks, in their order."""
    chunks: list[Chunk] = list(ledger.chunks(lease.migration_id, "films"))
    return [chunk.verified for chunk in chunks]


@pytest.mark.usefixtures("compared")
@pytest.mark.parametrize("asked", [EventName.RESUME, EventName.REPAIR])
@pytest.mark.parametrize("ended", [EventName.MISMATCH, EventName.FAIL, EventName.CANCELED])
def test_no_proof_outlives_an_end(
    ledger: Ledger, lease: Lease, act: Act, asked: EventName, ended: EventName
) -> None:
    """Whatever goes on after an end compares again what was the same, however soon; what was not is still known, to be mended."""
    if ended is EventName.CANCELED:
        act(lease.migration_id, EventName.CANCEL)
    ledger.finish(lease, ended)
    act(lease.migration_id, asked)
    ledger.claim(lease.migration_id, OTHER)
    assert verdicts(ledger, lease) == [None, False, None]
    assert len(ledger.mismatches(lease.migration_id)) == 1


@pytest.mark.parametrize("ended", [EventName.SUCCEED, EventName.MISMATCH])
def test_what_is_verified_again_is_verified_whole(
    ledger: Ledger, lease: Lease, act: Act, compared: list[int], ended: EventName
) -> None:
    """No chunk of an ended migration that is to be verified again counts as the same, until the new attempt says so."""
    ledger.record_verified(lease, compared[2])
    ledger.finish(lease, ended)
    act(lease.migration_id, EventName.VERIFY)
    again = ledger.claim(lease.migration_id, OTHER)
    assert verdicts(ledger, lease) == [None, False, None]
    ledger.record_verified(again, compared[0])
    ledger.finish(again, EventName.RELEASE)
    ledger.claim(lease.migration_id, OTHER)
    assert verdicts(ledger, lease) == [True, False, None]


@dataclass(frozen=True)
class Interrupted:
    """A migration whose worker goes away, and for how many seconds nobody works on it then."""

    ledger: Ledger
    lease: Lease
    act: Act
    clock: Any
    away: float

    def killed(self) -> None:
        """Another worker takes over by itself."""
        self.clock.pass_seconds(LEASE_SECONDS + self.away)

    def rescued(self) -> None:
        """The scheduler queues it again once it is there."""
        self.clock.pass_seconds(LEASE_SECONDS + self.away)
        self.act(self.lease.migration_id, EventName.RESCUE)

    def kept_waiting(self) -> None:
        """It is rescued at once, and no worker is free."""
        self.clock.pass_seconds(LEASE_SECONDS + 1)
        self.act(self.lease.migration_id, EventName.RESCUE)
        self.clock.pass_seconds(self.away)

    def handed_back(self) -> None:
        """Its worker is restarted."""
        self.ledger.finish(self.lease, EventName.RELEASE)
        self.clock.pass_seconds(self.away)

    def paused(self) -> None:
        """It is paused while it runs, and resumed."""
        self.act(self.lease.migration_id, EventName.PAUSE)
        self.handed_back()
        self.act(self.lease.migration_id, EventName.RESUME)

    def paused_while_it_waits(self) -> None:
        """It is handed back, paused before another worker takes it, and resumed."""
        self.ledger.finish(self.lease, EventName.RELEASE)
        self.act(self.lease.migration_id, EventName.PAUSE)
        self.clock.pass_seconds(self.away)
        self.act(self.lease.migration_id, EventName.RESUME)


@pytest.mark.usefixtures("compared")
@pytest.mark.parametrize(
    "how",
    ["killed", "rescued", "kept_waiting", "handed_back", "paused", "paused_while_it_waits"],
)
@pytest.mark.parametrize(("away", "holds"), [(1, True), (LATER, None)])
def test_a_proof_holds_through_a_short_interruption(
    ledger: Ledger,
    lease: Lease,
    act: Act,
    clock: Any,
    how: str,
    away: float,
    *,
    holds: bool | None,
) -> None:
    """What was proved a moment before a kill, a restart or a pause is not read again; after hours without a worker it is."""
    clock.pass_seconds(2 * LATER)  # however long the worker itself was at it
    ledger.renew(lease, LEASE_SECONDS)
    getattr(Interrupted(ledger, lease, act, clock, away), how)()
    ledger.claim(lease.migration_id, OTHER)
    assert verdicts(ledger, lease) == [holds, False, None]


@pytest.mark.usefixtures("compared")
def test_an_undo_that_is_not_done_forgets_no_proof(ledger: Ledger, lease: Lease) -> None:
    """A migration that was to be undone and is left as it stands shows what was proved of it."""
    ended = ledger.finish(lease, EventName.MISMATCH)
    undo = ledger.claim(ended.id, OTHER, event=EventName.UNDO_NOW)
    assert ledger.finish(undo, EventName.UNDO_LEFT).status is Status.MISMATCHED
    assert verdicts(ledger, lease) == [True, False, None]

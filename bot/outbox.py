"""Sends what is owed to Slack, in order, until it has arrived: each row of the outbox is rendered from the ledger when it is sent.

Rows of one migration follow one another; of a message that is edited (root, progress, checklist) a row before a later one is left
out, because an edit says everything. What stands beside the thread's own messages (files, what people and other channels are told)
holds back nothing: it comes in its place and, if it fails, again after everything else; the thread is told once what is missing and
what to do. A row ends as sent, superseded or (Slack refuses even its bare text) dropped with an error in the log; whatever else
happens, it is tried again. A process that is killed between Slack's answer and the ledger's commit posts that one message twice,
because Slack knows no key for a repeated post. It decides nothing about migrations.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from bot.courier import OUTAGE_SECONDS, Gone, Later, Refused, Undelivered
from bot.ledger import Delivery, Kind, Owed, Posted
from bot.sender import EDITED, ELSEWHERE, FILES, Room, Sender, Taken
from bot.views.undelivered import UNMADE
from engine.errors import ServiceUnavailable
from engine.ledger import utc_now

__all__ = ["Outbox", "Room"]

OUTAGE_SECONDS_MAX: Final = 60.0
"""The longest wait between two attempts while Slack does not answer."""

_BESIDE: Final = FILES | ELSEWHERE
_DOUBLINGS_MAX: Final = 10
"""After so many attempts the wait has long been the longest."""

_log = structlog.get_logger(__name__)


def _always() -> bool:
    return True


class Outbox:
    """The sender's queue.

    Args:
        room: Channel, ledgers and courier.
        clock: Aware UTC.
    """

    def __init__(self, room: Room, clock: Callable[[], datetime] = utc_now) -> None:
        self._records = room.records
        self._clock = clock
        self._taken = Taken()
        self._sender = Sender(room, clock, self._taken)

    def catch_up(self) -> None:
        """Write down what Slack has taken and the ledger did not: raises ServiceUnavailable while it still does not."""
        self._taken.catch_up()

    def flush(self, may_post: Callable[[], bool] = _always) -> float | None:
        """Send everything that may be sent now.

        Args:
            may_post: Asked before each message; when it says no, the rest stays owed.

        Returns:
            After how many seconds there is more to do, None if nothing is owed.
        """
        pending = self._records.pending()
        newest = {(owed.migration_id, owed.kind): owed.id for owed in pending}
        held: set[str] = set()
        waits: list[float] = []
        for owed in sorted(pending, key=_turn):
            if not may_post():
                break
            if owed.migration_id in held and owed.kind not in ELSEWHERE:
                continue
            self._taken.catch_up()
            if self._is_superseded(owed, newest):
                self._settle(owed, Delivery.SUPERSEDED)
                continue
            wait = self._send(owed)
            if wait is None:
                continue
            waits.append(wait)
            if owed.kind not in _BESIDE:
                held.add(owed.migration_id)
        return min(waits, default=None)

    def _is_superseded(self, owed: Owed, newest: Mapping[tuple[str, Kind], int]) -> bool:
        if owed.kind not in EDITED or newest[owed.migration_id, owed.kind] == owed.id:
            return False
        return owed.kind in self._records.posted(owed.migration_id)

    def _send(self, owed: Owed) -> float | None:
        """Send one row; returns for how many seconds it has to wait, None if it is done with."""
        now = self._clock()
        if owed.not_before is not None and owed.not_before > now:
            return (owed.not_before - now).total_seconds()
        try:
            posted = self._hand_over(owed, plain=False)
        except Later as later:
            return self._later(owed, later)
        except Gone:
            return self._gone(owed)
        except Refused as refused:
            return self._refused(owed, refused)
        self._settle(owed, Delivery.SENT, posted)
        return None

    def _hand_over(self, owed: Owed, *, plain: bool) -> Posted | None:
        """Hand it to Slack; what cannot be made waits like what cannot be delivered, and the other messages go on."""
        try:
            return self._sender.send(owed, plain=plain)
        except (Undelivered, ServiceUnavailable):
            # The ledger does not answer: what could be sent now could not be written down.
            raise
        except Exception as error:
            _log.exception("message_unmade", **_about(owed))
            raise Later(UNMADE, OUTAGE_SECONDS, word=UNMADE) from error

    def _settle(
        self, owed: Owed, delivery: Delivery, posted: Posted | None = None, error: str = ""
    ) -> None:
        self._taken.write(partial(self._records.settle, owed, delivery, posted=posted, error=error))

    def _later(self, owed: Owed, later: Later) -> float:
        seconds = later.seconds
        if later.attempted and seconds == OUTAGE_SECONDS:
            doubled = OUTAGE_SECONDS * 2.0 ** min(owed.attempts, _DOUBLINGS_MAX)
            seconds = min(doubled, OUTAGE_SECONDS_MAX)
        until = self._clock() + timedelta(seconds=seconds)
        self._records.postpone(owed, until, str(later), attempted=later.attempted)
        if not later.attempted:
            return seconds
        _log.warning("message_waits", **_about(owed), reason=str(later), seconds=seconds)
        # Not its first failure, and there is no hope for the next minute: a person has to do something.
        if owed.kind in _BESIDE and owed.attempts and seconds >= OUTAGE_SECONDS_MAX:
            self._sender.say_undelivered(owed, later.word)
        return seconds

    def _gone(self, owed: Owed) -> float:
        """Someone deleted the message or the root of its thread: what is edited is posted anew, the rest follows."""
        kind = owed.kind if owed.kind in EDITED else Kind.ROOT
        _log.warning("message_gone", **_about(owed))
        self._records.forget_posted(owed.migration_id, kind)
        if kind is Kind.ROOT:
            for reply in EDITED - {Kind.ROOT}:
                self._records.forget_posted(owed.migration_id, reply)
        return 0.0

    def _refused(self, owed: Owed, refused: Refused) -> float | None:
        """Slack refuses the blocks: the sentence alone still tells what happened. A file has no other form."""
        error = str(refused)
        if owed.kind not in FILES:
            try:
                posted = self._hand_over(owed, plain=True)
            except Later as later:
                return self._later(owed, later)
            except (Gone, Refused) as again:
                error = f"{refused}; as bare text: {again}"
            else:
                self._settle(owed, Delivery.SENT, posted, str(refused))
                return None
        _log.error("message_dropped", **_about(owed), error=error)
        if owed.kind in _BESIDE:
            self._sender.say_undelivered(owed, refused.word, given_up=True)
        self._settle(owed, Delivery.DROPPED, error=error)
        return None


def _turn(owed: Owed) -> tuple[int, str, int]:
    """The order of sending: migration by migration as it came; then what has failed beside the threads, the least tried first."""
    return (owed.attempts if owed.kind in _BESIDE else 0, owed.migration_id, owed.id)


def _about(owed: Owed) -> dict[str, object]:
    return {
        "migration": owed.migration_id,
        "event_id": owed.event_id,
        "kind": owed.kind.value,
        "attempts": owed.attempts,
    }

"""Who has the floor: of any number of bots on one ledger, the one that posts to Slack.

The bot that has it changes a row of the ledger every few seconds (a beat). Another bot takes it over when that row was given back,
when the process in it is certainly dead, or when it has not changed for `FLOOR_SECONDS` while it was watched: so no two machines'
clocks are ever compared. Who has it stops posting by its own clock long before that, if it cannot beat. It decides nothing else.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from bot.ledger import BotLedger, Speaker
from engine.errors import FerryError, ServiceUnavailable
from engine.ledger import new_owner, owner_is_dead

FLOOR_SECONDS: Final = 10.0
"""How long a bot that says nothing of itself keeps the floor."""
HELD_SECONDS: Final = FLOOR_SECONDS / 2
"""How long after its last beat a bot itself believes that it has it: the rest is for a call to Slack that is under way."""
BEAT_SECONDS: Final = HELD_SECONDS / 2
_LOOK_SECONDS: Final = 1.0

_log = structlog.get_logger(__name__)


class Floor:
    """One bot's side of it; a thread of its own beats while it is started, because a call to Slack can last longer.

    Args:
        records: Where it is kept.
        clock: Monotonic seconds.
    """

    def __init__(self, records: BotLedger, clock: Callable[[], float] = time.monotonic) -> None:
        self._records = records
        self._clock = clock
        self._me = new_owner()
        self._beaten_at = -FLOOR_SECONDS
        self._until = -FLOOR_SECONDS
        self._seen = Speaker()
        self._seen_at: float | None = None
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="floor", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def mine(self) -> bool:
        """Whether this bot may post now: asked before each message, so it asks nobody."""
        return self._clock() < self._until

    def take(self) -> bool:
        """Take the floor if it is free, or hold on to it; says whether this bot may post. Raises ServiceUnavailable."""
        with self._guard:
            if not self.mine() or self._clock() - self._beaten_at >= BEAT_SECONDS:
                self._look()
            return self.mine()

    def leave(self) -> None:
        """Beat no more, and give the floor back, so that another bot need not wait."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._guard:
            self._until = -FLOOR_SECONDS
            speaker = self._records.speaker()
            if speaker.owner == self._me:
                self._records.follow(speaker, "")

    def _look(self) -> None:
        try:
            before = self._clock()
            speaker = self._records.speaker()
            if not self._is_free(speaker):
                return
            taken = self._records.follow(speaker, self._me)
        except ServiceUnavailable:
            # A silent ledger tells nothing of the others: their time begins anew.
            self._seen_at = None
            raise
        if taken is None:
            return
        if speaker.owner != self._me:
            _log.info("has_the_floor", before=speaker.owner)
        self._beaten_at, self._until = before, before + HELD_SECONDS

    def _is_free(self, speaker: Speaker) -> bool:
        """Whether this bot may have it: nobody else has it, or whoever had it is gone."""
        if speaker.owner in {"", self._me} or owner_is_dead(speaker.owner):
            return True
        now = self._clock()
        if speaker != self._seen or self._seen_at is None:
            self._seen, self._seen_at = speaker, now
        return now - self._seen_at >= FLOOR_SECONDS

    def _beat(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            try:
                self.take()
            except FerryError as error:
                _log.warning("floor_waits", error=str(error))
            except Exception:  # noqa: BLE001  # the outermost loop of this thread: the log says what happened
                _log.exception("floor_failed")

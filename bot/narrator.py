"""Tells in Slack what happens in the ledger: events become rows of the outbox, running migrations a progress message.

It remembers in the ledger up to which event it has told, so after an outage of the bot or of Slack it goes on where it stopped: one
row per event and kind, whoever asks twice. Of several bots on one ledger the one that has the floor (`floor.py`) tells. It decides
nothing, and no migration waits for it.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import cache
from typing import Final, NamedTuple

import structlog

from bot.courier import Gone, Undelivered
from bot.floor import Floor
from bot.ledger import Due, Kind, Verdict
from bot.notes import (
    BREAK_GLASS,
    COUNTED,
    FELL,
    FREED,
    FROZEN,
    HELD,
    NOT_STARTED,
    REMIGRATED,
    REMINDED,
    THROTTLED,
    TICKED,
    UNFROZEN,
    WAITING,
)
from bot.outbox import Outbox, Room
from bot.views.progress import progress_message
from bot.views.replies import TOLD_PHASES
from engine.errors import FerryError, LedgerIncompatible
from engine.ledger import utc_now
from engine.lifecycle import Status, is_terminal
from engine.model import Event, Migration, Progress

EDITS_FOR_STATES: Final = 3.0
"""Progress leaves so many edits in the budget for changes of state."""
PHASE: Final = "phase"

_PROOFS: Final = {
    Status.SUCCESSFUL: (Kind.REPORT,),
    Status.MISMATCHED: (Kind.REPORT, Kind.FINDINGS),
}
"""A migration that failed or was canceled has proved nothing; its reply says what stands where."""
_NOTES: Final = {
    COUNTED: (Kind.ROOT, Kind.REPLY),
    FELL: (Kind.REPLY,),
    HELD: (Kind.ROOT, Kind.REPLY),
    FREED: (Kind.ROOT, Kind.REPLY),
    NOT_STARTED: (Kind.REPLY,),
    REMIGRATED: (Kind.REPLY,),
    REMINDED: (Kind.REPLY,),
    THROTTLED: (Kind.ROOT, Kind.REPLY),
    WAITING: (Kind.REPLY,),
    TICKED: (Kind.CHECKLIST,),
    FROZEN: (Kind.ROOT,),
    UNFROZEN: (Kind.ROOT,),
}
"""What changes no state and is told all the same."""
WAIT_OVER: Final = timedelta(seconds=60)
"""A worker that waits notes it every 15 s (`engine/heartbeat.py`): after so long without a note it is another wait."""
_BEING_UNDONE: Final = frozenset({Status.UNDO_ASKED, Status.UNDOING})
_IDLE_SECONDS: Final = 30.0
_SLACK_USER: Final = re.compile(r"[UW][A-Z0-9]{2,20}")

_log = structlog.get_logger(__name__)


class Told(NamedTuple):
    """What the last progress edit of a migration showed, and when (monotonic seconds)."""

    at: float
    progress: Progress


def kinds(event: Event, migration: Migration) -> tuple[Kind, ...]:
    """The messages that an event makes, in the order in which they are posted.

    Migrations that were started on the command line are not Slack's business. What ends before it was put up for approval is
    told to its requester alone, and what changes no state before that stands in the root message that follows.
    """
    if not _SLACK_USER.fullmatch(migration.requester):
        return ()
    if event.to_status is None and migration.plan is None:
        return ()
    if event.to_status is None:
        told = event.name == PHASE and event.details.get("phase") in TOLD_PHASES
        return (Kind.REPLY, Kind.CHECKLIST) if told else _NOTES.get(event.name, ())
    more = (Kind.BROADCAST,) if event.details.get(BREAK_GLASS) else ()
    if event.from_status is Status.PLANNING and migration.plan is None:
        return (Kind.DIRECT,)
    return (*_of_change(event.from_status, event.to_status), *more)


def is_new_wait(event: Event, before: Event | None) -> bool:
    """Whether a `waiting` event begins a wait; what is noted again and again of one wait is told once.

    Args:
        event: The event.
        before: The migration's `waiting` event before it.
    """
    return before is None or event.at - before.at > WAIT_OVER


def recipients(event: Event, requester: str, approvers: Iterable[str]) -> tuple[str, ...]:
    """Whom the end of a migration is told in person: who asked and who approved, each once; not who ended it just now."""
    told = dict.fromkeys((requester, *approvers))
    return tuple(user for user in told if user != event.actor)


def _of_change(before: Status | None, after: Status) -> tuple[Kind, ...]:
    if after is Status.PLANNING:
        return () if before is None else (Kind.REPLY,)
    last = (Kind.CHECKLIST, *((Kind.DIRECT,) if _ends(before, after) else ()))
    if before is Status.PLANNING and after is Status.AWAITING_APPROVAL:
        return (Kind.ROOT, Kind.REPLY, Kind.PLAN, *last)
    if before is Status.RUNNING and is_terminal(after):
        return (Kind.ROOT, Kind.PROGRESS, Kind.REPLY, *_PROOFS.get(after, ()), *last)
    if Status.RUNNING in {before, after}:
        return (Kind.ROOT, Kind.REPLY, Kind.PROGRESS, *last)
    # The buttons of a report go when something is asked of the migration, and come back when nothing came of it.
    again = (Kind.REPORT,) if before in _PROOFS or after in _PROOFS else ()
    return (Kind.ROOT, Kind.REPLY, *again, *last)


def _ends(before: Status | None, after: Status) -> bool:
    """Whether it has ended just now; an undo that was taken back or cannot be done ends nothing."""
    if before in _BEING_UNDONE:
        return after in {Status.UNDONE, Status.FAILED}
    return is_terminal(after) and after not in _BEING_UNDONE


def _same(told: Progress, now: Progress) -> bool:
    """Whether nothing moved: the rate of the last minute changes even then."""
    rate = {"recent_entities": 0, "recent_seconds": 0.0}
    return told.model_copy(update=rate) == now.model_copy(update=rate)


class Narrator:
    """Collects, sends, and keeps progress messages moving while it has the floor; one thread of its own while it is started.

    Args:
        room: Channel, ledgers and courier.
        progress_seconds: The shortest time between two progress edits of a migration.
        tick_seconds: The longest time until it looks again by itself.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        room: Room,
        *,
        progress_seconds: float = 4.0,
        tick_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._room = room
        self._outbox = Outbox(room)
        self._floor = Floor(room.records, clock)
        self._progress_seconds = progress_seconds
        self._tick_seconds = tick_seconds
        self._clock = clock
        self._told: dict[str, Told] = {}
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="narrator", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._floor.start()
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether it tells by itself."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Something happened: look now."""
        self._woken.set()

    def close(self) -> None:
        """Stop after the message in hand and give up the floor; what is owed stays in the outbox."""
        self._stopped.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._outbox.catch_up()
            self._floor.leave()
        except FerryError as error:
            _log.warning("narrator_left_behind", error=str(error))

    def tell(self) -> float:
        """One round, if it has the floor: collect, send, edit progress; returns after how many seconds the next is due."""
        self._outbox.catch_up()
        if not self._floor.take():
            return self._tick_seconds
        while self._collect():
            pass
        wait = self._outbox.flush(self._may_post)
        self._edit_progress()
        return self._tick_seconds if wait is None else min(wait, self._tick_seconds)

    def _may_post(self) -> bool:
        return self._floor.mine() and not self._stopped.is_set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                wait = self.tell()
            except FerryError as error:
                _log.warning("narrator_waits", error=str(error))
                wait = self._tick_seconds
            except Exception:  # noqa: BLE001  # the outermost loop of this thread: the log says what happened
                _log.exception("narrator_failed")
                wait = self._tick_seconds
            self._woken.wait(wait)
            self._woken.clear()

    def _collect(self) -> bool:
        """Put one page of events into the outbox; says whether there may be more."""
        place = self._room.records.place()
        events = self._room.ledger.events(after_id=place)
        if not events:
            return False
        migration_of = cache(self._room.ledger.migration)
        owed = [
            Due(event.migration_id, event.id, kind, person)
            for event in events
            for kind in self._kinds(event, migration_of)
            for person in self._recipients(event, kind, migration_of)
        ]
        return self._room.records.collect(place, events[-1].id, owed)

    def _kinds(self, event: Event, migration_of: Callable[[str], Migration]) -> tuple[Kind, ...]:
        try:
            if event.name == WAITING and not is_new_wait(event, self._waited(event)):
                return ()
            return kinds(event, migration_of(event.migration_id))
        except LedgerIncompatible as error:
            # One migration of another version must not keep all others from being told.
            _log.error(
                "event_untold", migration=event.migration_id, name=event.name, error=str(error)
            )
            return ()

    def _recipients(
        self, event: Event, kind: Kind, migration_of: Callable[[str], Migration]
    ) -> tuple[str, ...]:
        """Whom a direct message goes to; other messages go to nobody in person."""
        if kind is not Kind.DIRECT:
            return ("",)
        requester = migration_of(event.migration_id).requester
        decided = self._room.records.decisions(event.migration_id)
        approvers = (each.user_id for each in decided if each.verdict is not Verdict.REJECTED)
        return recipients(event, requester, approvers)

    def _waited(self, event: Event) -> Event | None:
        return self._room.ledger.last_named(event.migration_id, WAITING, before_id=event.id)

    def _edit_progress(self) -> None:
        running = self._room.ledger.standing(Status.RUNNING)
        self._forget(each.id for each in running)
        for migration in running:
            if not self._may_post():
                return
            told = self._told.get(migration.id)
            if told is None or self._clock() - told.at >= self._progress_seconds:
                self._edit(migration, told)

    def _forget(self, running: Iterable[str]) -> None:
        keep = set(running)
        self._told = {key: told for key, told in self._told.items() if key in keep}

    def _edit(self, migration: Migration, told: Told | None) -> None:
        posted = self._room.records.posted(migration.id).get(Kind.PROGRESS)
        progress = self._room.ledger.totals(migration.id)
        now = self._clock()
        idle = told is not None and _same(told.progress, progress) and now - told.at < _IDLE_SECONDS
        if posted is None or idle:
            return
        message = progress_message(self._room.cards.card(migration.id), progress, utc_now())
        try:
            self._room.courier.edit(posted, message, leave=EDITS_FOR_STATES)
        except Gone:
            self._room.records.forget_posted(migration.id, Kind.PROGRESS)
        except Undelivered as missed:
            # The next edit says more; only states must arrive, and those are rows of the outbox.
            _log.debug("progress_missed", migration=migration.id, reason=str(missed))
        self._told[migration.id] = Told(now, progress)

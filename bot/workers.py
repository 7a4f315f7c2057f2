"""The processes that migrate and undo: starts one for each due migration that passes the gate, and sees to those that end.

A worker that dies without finishing is rescued through the ledger at once, with the end of what it said; one that keeps ending is
started again at growing intervals. It keeps only processes in memory: whether a migration runs is what the ledger says.
"""

import collections
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Final

import structlog

from bot.gate import Gate
from bot.notes import NOT_STARTED, WORKER_LOST
from bot.planning import ACTOR
from bot.verbs import Verbs
from engine.errors import FerryError
from engine.ledger import Ledger, Transaction, TransitionRefused, utc_now
from engine.lifecycle import DUE, HELD, EventName
from engine.model import Details, Migration, Request, Secrets

TAIL_LINES: Final = 20
"""How much of a dead worker's last words is kept."""
PAUSE_SECONDS: Final = 2.0
PAUSE_SECONDS_MAX: Final = 60.0
STOP_SECONDS: Final = 25.0
"""How long a worker may take to hand its migration back: less than its lease."""

_log = structlog.get_logger(__name__)


class _Worker:
    """A started process and the end of its standard error; a thread of its own keeps the pipe empty."""

    def __init__(self, process: "subprocess.Popen[bytes]", secrets: Secrets) -> None:
        self.process = process
        self._secrets = secrets
        self._tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._reader = threading.Thread(target=self._read, name="worker-stderr", daemon=True)
        self._reader.start()

    def last_words(self) -> str:
        """The end of what it said, without its tokens; call it after the process has ended."""
        self._reader.join(timeout=5)
        return "\n".join(self._tail)

    def _read(self) -> None:
        pipe: IO[bytes] | None = self.process.stderr
        if pipe is None:
            return
        with pipe:
            for line in pipe:
                text = line.decode(errors="replace").rstrip()
                for secret in filter(None, self._secrets):
                    text = text.replace(secret, "…")
                self._tail.append(text)
                _log.debug("worker_said", pid=self.process.pid, text=text)


class Workers:
    """At most `limit` processes at a time.

    Args:
        ledger: What is due.
        gate: What may start.
        verbs: The engine.
        secrets: A request's tokens.
        database_url: The ledger's address, for the processes.
        limit: How many run at the same time.
        changed: Called after every change.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        gate: Gate,
        verbs: Verbs,
        secrets: Callable[[Request], Secrets],
        database_url: str,
        limit: int,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._gate = gate
        self._verbs = verbs
        self._secrets = secrets
        self._database_url = database_url
        self._limit = limit
        self._changed = changed
        self._clock = clock
        self._running: dict[str, _Worker] = {}
        self._pauses: dict[str, tuple[int, float]] = {}
        self._closed = False
        self._guard = threading.Lock()

    def running(self) -> int:
        """How many processes were started and not yet seen to end."""
        return len(self._running)

    def round(self) -> None:
        """See to the workers that ended, then start what is due."""
        with self._guard:
            self._see_to_ended()
            if not self._closed:
                self._start_due()

    def rescue(self) -> None:
        """Take running migrations from workers that are gone, wherever they ran."""
        for migration_id in self._ledger.expired_leases(utc_now()):
            with self._ledger.transaction() as tx:
                rescued = _rescue(tx, migration_id, {})
            if rescued:
                self._changed()

    def close(self) -> None:
        """Ask all workers to hand back their migrations, and wait until they are gone."""
        with self._guard:
            self._closed = True
            for worker in self._running.values():
                worker.process.terminate()
            deadline = self._clock() + STOP_SECONDS
            for worker in self._running.values():
                _end(worker.process, max(0.1, deadline - self._clock()))
            try:
                self._see_to_ended()
            except FerryError as error:  # whoever comes next finds them without a worker
                _log.warning("ends_not_seen_to", error=str(error))

    def _start_due(self) -> None:
        for migration_id in self._ledger.due(utc_now()):
            if len(self._running) >= self._limit:
                return
            paused_until = self._pauses.get(migration_id, (0, 0.0))[1]
            if migration_id not in self._running and self._clock() >= paused_until:
                self._start(self._ledger.migration(migration_id))

    def _start(self, migration: Migration) -> None:
        if not self._gate.is_approved(migration):
            return
        try:
            secrets = self._secrets(migration.request)
        except FerryError as error:
            if migration.putting_back:
                self._give_up_release(migration.id, error)
                return
            self._pause(migration.id)
            _log.error("not_started", migration=migration.id, error=str(error))
            self._note_not_started(migration.id, error)
            return
        if not self._gate.passes(migration):
            return
        process = self._verbs.spawn(migration.id, self._database_url, secrets)
        _log.info("worker_started", migration=migration.id, pid=process.pid)
        self._running[migration.id] = _Worker(process, secrets)

    def _give_up_release(self, migration_id: str, error: FerryError) -> None:
        """A cancel must end, also where nobody can connect any more to release what was loaded: its report says what is left."""
        _log.error("not_put_back", migration=migration_id, error=str(error))
        details: Details = {"reason": str(error)}
        with suppress(TransitionRefused), self._ledger.transaction() as tx:
            tx.apply(migration_id, EventName.CANCEL, actor=ACTOR, details=details)
        self._changed()

    def _note_not_started(self, migration_id: str, error: FerryError) -> None:
        """The thread says why, once for each reason since somebody last did something about it; a person must look."""
        with self._ledger.transaction() as tx:
            told = self._ledger.last_named(migration_id, NOT_STARTED)
            since = tx.last_change(migration_id)
            stands = told is not None and (since is None or told.id > since.id)
            same = stands and told is not None and told.details.get("error") == error.parts
            if same or tx.migration(migration_id).status not in DUE:
                return
            tx.note(migration_id, NOT_STARTED, ACTOR, {"error": error.parts})
        self._changed()

    def _see_to_ended(self) -> None:
        for migration_id, worker in tuple(self._running.items()):
            code = worker.process.poll()
            if code is None:
                continue
            # Not forgotten before the ledger has it: what a worker ends of is often that the ledger does not answer.
            self._ended(migration_id, code, worker.last_words())
            del self._running[migration_id]

    def _ended(self, migration_id: str, code: int, words: str) -> None:
        migration = self._ledger.migration(migration_id)
        unfinished = migration.status in HELD | DUE
        _log.info(
            "worker_ended", migration=migration_id, exit_code=code, status=migration.status.value
        )
        if not unfinished:
            self._pauses.pop(migration_id, None)
        elif not self._closed:
            self._pause(migration_id)
        handed_back = self._closed and migration.status in DUE
        if code != 0 and unfinished and not handed_back:
            _log.error("worker_lost", migration=migration_id, exit_code=code, stderr=words)
            details: Details = {"exit_code": code, "stderr": words}
            with (
                self._ledger.transaction() as tx
            ):  # one: a rescue that is not taken is tried again, and told then
                tx.note(migration_id, WORKER_LOST, ACTOR, details)
                _rescue(tx, migration_id, {"exit_code": code})
        self._changed()

    def _pause(self, migration_id: str) -> None:
        count = self._pauses.get(migration_id, (0, 0.0))[0] + 1
        seconds = min(PAUSE_SECONDS * 2 ** (count - 1), PAUSE_SECONDS_MAX)
        self._pauses[migration_id] = (count, self._clock() + seconds)


def _rescue(tx: Transaction, migration_id: str, details: Details) -> bool:
    try:
        tx.apply(migration_id, EventName.RESCUE, actor=ACTOR, details=details)
    except TransitionRefused as refused:
        _log.debug("not_rescued", migration=migration_id, reason=refused.sentence)
        return False
    _log.warning("rescued", migration=migration_id)
    return True


def _end(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        _log.warning("worker_killed", pid=process.pid)
        process.kill()
        process.wait()

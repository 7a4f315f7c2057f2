"""What a due migration passes before its process is started: approved as it is, not frozen, and planned again with the same result.

It keeps in memory only what the next round would find out again. What keeps a migration from starting is noted once, so that its
thread says so; the truth about states is the ledger's.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import structlog

from bot.ledger import BotLedger, Verdict
from bot.notes import FREED, HELD
from bot.planning import ACTOR
from bot.waiting import Holds
from engine.ledger import Ledger, utc_now
from engine.lifecycle import DUE, EventName, Status
from engine.model import Migration

CHECK_SECONDS: Final = 30.0
"""How long a plan that was made again counts; a worker that becomes free later has it made once more."""
AGAIN_SECONDS: Final = 10.0
"""How long until a cluster that did not answer is asked again."""

_log = structlog.get_logger(__name__)


class Soon(Protocol):
    """Does something slow on other threads."""

    def __call__(self, work: Callable[[], None]) -> None:
        """Start `work` now."""
        ...


class _Checked(NamedTuple):
    """What planning again has shown; it counts for `holds` alone: after another hold it may not be true any more."""

    plan_hash: str
    why_not: str
    at: float
    holds: int


class Gate:
    """The checks.

    Args:
        ledger: States and events.
        records: What was approved.
        holds: What is frozen.
        recheck: Plans a migration again; says why that is not possible now.
        soon: Where that is done, because it may take long.
        changed: Called after every change.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        records: BotLedger,
        holds: Holds,
        recheck: Callable[[str], str],
        soon: Soon,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._holds = holds
        self._recheck = recheck
        self._soon = soon
        self._changed = changed
        self._clock = clock
        self._noted: dict[str, str] = {}
        self._checked: dict[str, _Checked] = {}
        self._checking: set[str] = set()
        self._held: Counter[str] = Counter()
        self._guard = threading.Lock()

    def passes(self, migration: Migration) -> bool:
        """Whether an approved migration may start now; asked again with every round. A cancel is carried out whatever holds."""
        if migration.putting_back:
            return True
        why = self._holds.why(migration, utc_now())
        if why:
            with self._guard:
                self._held[migration.id] += 1
        checked = None if why else self._check_of(migration)
        if checked is not None:
            why = checked.why_not
        elif not why:
            return False
        self._note(migration, why)
        if not why:
            self._forget(migration.id)
        return not why

    def is_approved(self, migration: Migration) -> bool:
        """Whether somebody approved exactly the plan that would run; what the command line queued is not the bot's to start.

        The undo of what the command line migrated is, if it was asked for in Slack, and so is the end of whatever was canceled: its
        worker only releases what another one left loaded.
        """
        if migration.putting_back:
            return True
        if migration.status is Status.UNDO_ASKED and self._ledger.noted(
            migration.id, EventName.ASK_UNDO
        ):
            return True
        decisions = self._records.decisions(migration.id)
        if not decisions or migration.plan is None:
            return False
        last = decisions[-1]
        if last.verdict is not Verdict.REJECTED and last.plan_hash == migration.plan.hash:
            return True
        _log.error("not_the_approved_plan", migration=migration.id, approved=last.plan_hash)
        return False

    def _check_of(self, migration: Migration) -> _Checked | None:
        """What planning it again has shown, or None while that is being found out."""
        plan_hash = migration.plan.hash if migration.plan else ""
        if migration.started_at is not None or migration.status is Status.UNDO_ASKED:
            return _Checked(plan_hash, "", self._clock(), holds=0)
        with self._guard:
            holds = self._held[migration.id]
            checked = self._checked.get(migration.id)
            counts = AGAIN_SECONDS if checked and checked.why_not else CHECK_SECONDS
            if (
                checked is not None
                and (checked.plan_hash, checked.holds) == (plan_hash, holds)
                and self._clock() - checked.at <= counts
            ):
                return checked
            if migration.id in self._checking:
                return checked if checked and checked.why_not else None
            self._checking.add(migration.id)
        self._soon(lambda: self._look(migration.id, plan_hash, holds))
        return None

    def _forget(self, migration_id: str) -> None:
        """It starts: what was found out about it has served."""
        with self._guard:
            self._checked.pop(migration_id, None)
            self._held.pop(migration_id, None)
        self._noted.pop(migration_id, None)

    def _look(self, migration_id: str, plan_hash: str, holds: int) -> None:
        try:
            why = self._recheck(migration_id)
            with self._guard:
                self._checked[migration_id] = _Checked(plan_hash, why, self._clock(), holds)
        finally:
            with self._guard:
                self._checking.discard(migration_id)
        self._changed()

    def _note(self, migration: Migration, why: str) -> None:
        """Note that it is held, why, and that it is not any more: each once."""
        if self._noted.get(migration.id) == why:
            return
        with self._ledger.transaction() as tx:
            noted = self._ledger.last_named(migration.id, HELD, FREED)
            before = noted.details.get("why", "") if noted else ""
            if why != before and tx.migration(migration.id).status in DUE:
                tx.note(migration.id, HELD if why else FREED, ACTOR, {"why": why} if why else None)
        self._noted[migration.id] = why
        self._changed()

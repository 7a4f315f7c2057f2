"""Notes on requests that wait for approval that a freeze began or ended, so that their messages say so at once.

Whether something is frozen is decided in `waiting.py`. It starts and stops nothing.
"""

from collections.abc import Callable
from datetime import datetime

from bot import waiting
from bot.ledger import BotLedger
from bot.notes import FROZEN, UNFROZEN
from bot.planning import ACTOR
from bot.settings import Settings
from engine.ledger import Ledger, utc_now
from engine.lifecycle import Status
from engine.model import Migration


class FrozenRequests:
    """Looks at what waits for approval.

    Args:
        ledger: What waits, and what was noted of it.
        records: The freeze that somebody has set.
        settings: What configuration freezes.
        changed: Called after every change.
    """

    def __init__(
        self,
        ledger: Ledger,
        records: BotLedger,
        settings: Settings,
        changed: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._settings = settings
        self._changed = changed

    def note(self) -> None:
        """Note at each request what has begun or ended since it was looked at last; each once, whichever replica is first."""
        now = utc_now()
        for migration in self._ledger.standing(Status.AWAITING_APPROVAL):
            why = self._why(migration, now)
            if why != self._noted(migration.id):
                self._note(migration.id, why)

    def _why(self, migration: Migration, now: datetime) -> str:
        policy = self._settings.policy_of(migration.request.target)
        return waiting.why_frozen(self._records.open_freeze(), policy, now, forced=False)

    def _noted(self, migration_id: str) -> str:
        """Why it is frozen as far as it was noted; "" when it is not."""
        noted = self._ledger.last_named(migration_id, FROZEN, UNFROZEN)
        return str(noted.details.get("why", "")) if noted else ""

    def _note(self, migration_id: str, why: str) -> None:
        with self._ledger.transaction() as tx:
            if tx.migration(migration_id).status is not Status.AWAITING_APPROVAL:
                return
            if self._noted(migration_id) == why:
                return
            tx.note(migration_id, FROZEN if why else UNFROZEN, ACTOR, {"why": why} if why else None)
        self._changed()

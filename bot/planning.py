"""Makes the plan of a request in the background and puts it up for approval, or says why there is none.

Before a migration starts for the first time it is planned once more: what runs is what was approved, or it is put up again.
Whoever dies in the middle leaves a migration that is still being planned; the scheduler has it planned again. It reads clusters
and writes only to the ledger.
"""

import uuid
from collections.abc import Callable
from typing import Final

import structlog

import engine
from bot.verbs import Verbs
from engine.errors import ConfigurationInvalid, FerryError, TemporaryFailure, exit_code_of
from engine.ledger import Ledger, TransitionRefused
from engine.lifecycle import EventName, Status
from engine.model import Details, ErrorText, Migration, Plan, Request, Secrets
from engine.plandiff import difference

ACTOR: Final = "ferry"
"""Who did it, when nobody did."""

CHANGES_MAX: Final = 40
"""How many sentences of a difference are kept: more than a message shows, whatever a source holds."""

_log = structlog.get_logger(__name__)


class Planner:
    """Plans migrations, one call each; several may run at the same time.

    Args:
        ledger: Where the requests are.
        verbs: The engine.
        secrets: A request's tokens.
        changed: Called after every change.
    """

    def __init__(
        self,
        ledger: Ledger,
        verbs: Verbs,
        secrets: Callable[[Request], Secrets],
        changed: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._verbs = verbs
        self._secrets = secrets
        self._changed = changed

    def plan(self, migration_id: str) -> None:
        """Plan a migration that is being planned; one that was canceled meanwhile is left alone."""
        migration = self._ledger.migration(migration_id)
        if migration.status is not Status.PLANNING:
            return
        try:
            made = self._made(migration)
            with self._ledger.transaction() as tx:
                if isinstance(made, Plan):
                    tx.record_plan(migration.id, made, ACTOR)
                    tx.apply(migration.id, EventName.PLANNED, actor=ACTOR)
                else:
                    tx.apply(migration.id, EventName.FAIL, actor=ACTOR, error=made)
        except TransitionRefused as refused:
            _log.info("plan_too_late", migration=migration.id, reason=refused.sentence)
        self._changed()

    def recheck(self, migration_id: str) -> str:
        """Plan an approved migration again before it starts for the first time.

        When the definitions are not the approved ones any more, it is put up for approval again, with the difference; the approvals
        before are void. When there is no plan any more, it ends.

        Returns:
            Why it cannot be said now, for people; "" when it is settled: it may start if it is still queued.
        """
        migration = self._ledger.migration(migration_id)
        if migration.plan is None or migration.started_at is not None:
            return ""
        made = self._made(migration)
        if isinstance(made, ErrorText):
            if made.code == ConfigurationInvalid.code or _is_temporary(made):
                return f"{made.message} {made.next_step}".strip()
        elif not difference(migration.plan, made).definitions:
            return ""
        try:
            self._reopen(migration, migration.plan, made)
        except TransitionRefused as refused:
            _log.info("reopened_too_late", migration=migration.id, reason=refused.sentence)
        self._changed()
        return ""

    def _reopen(self, migration: Migration, approved: Plan, made: Plan | ErrorText) -> None:
        changes: tuple[str, ...] = ()
        if isinstance(made, Plan):
            found = difference(approved, made)
            changes = (*found.definitions, *found.counts)[:CHANGES_MAX]
        details: Details = {"changes": list(changes), "approved": approved.hash}
        with self._ledger.transaction() as tx:
            tx.apply(migration.id, EventName.REOPEN, actor=ACTOR, details=details)
            if isinstance(made, Plan):
                tx.record_plan(migration.id, made, ACTOR)
                tx.apply(migration.id, EventName.PLANNED, actor=ACTOR)
            else:
                tx.apply(migration.id, EventName.FAIL, actor=ACTOR, error=made)
        _log.info("reopened", migration=migration.id, changes=changes)

    def _made(self, migration: Migration) -> Plan | ErrorText:
        """The plan, or why there is none."""
        try:
            plan = self._verbs.plan(migration.request, self._secrets(migration.request))
        except FerryError as failure:
            _log.info("plan_refused", migration=migration.id, code=failure.code, error=str(failure))
            return ErrorText(**failure.parts)
        except Exception as failure:  # noqa: BLE001  # a request must never stay in planning without a word
            number = uuid.uuid4().hex[:8]
            _log.exception("plan_failed", migration=migration.id, number=number)
            return unexpected(failure, number)
        blocked = engine.blocked(plan, self._ledger)
        return ErrorText(**blocked.parts) if blocked else plan


def _is_temporary(error: ErrorText) -> bool:
    return exit_code_of(error.code) == TemporaryFailure.exit_code


def unexpected(failure: Exception, number: str) -> ErrorText:
    """A fault of Ferry's own; its log has the rest under the number."""
    return ErrorText(
        code="E-UNEXPECTED",
        message=f"Ferry itself failed ({type(failure).__name__}, number {number}).",
        state="Nothing was written on either side.",
        next_step="Try again; if it fails again, show an administrator the number: it stands in Ferry's log.",
    )

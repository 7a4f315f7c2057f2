"""What people do to migrations: request, approve, reject, cancel, resume, re-migrate; one transaction each.

Every act asks for the person's roles of this moment, decides (`approvals.py`), and records effect, decision and delivery together.
Its answer says what was done, or why not and who was faster. It renders nothing and never waits for a cluster, except `check`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

import structlog

from bot import approvals
from bot.approvals import Reason, Standing
from bot.cards import Cards
from bot.directory import Directory
from bot.ledger import BotLedger, Decided
from bot.ledger import Verdict as Word
from bot.settings import Place, Settings
from bot.verbs import Verbs
from engine.errors import FerryError
from engine.ledger import Ledger, Transaction, TransitionRefused
from engine.lifecycle import EventName, Status
from engine.model import Details, Migration, OnConflict, Request, Secrets

REFUSED: Final = "refused"
"""The note of a click that was refused: act and reason, so that the trail has it."""
REMIGRATED: Final = "remigrated"
"""The note on a migration whose differing collections were asked for again: the new migration's id."""

_OPEN: Final = frozenset(
    {
        Status.PLANNING,
        Status.AWAITING_APPROVAL,
        Status.QUEUED,
        Status.RUNNING,
        Status.PAUSED,
    }
)
_IN_VAIN: Final = frozenset(
    {Status.REJECTED, Status.EXPIRED, Status.FAILED, Status.CANCELED, Status.UNDONE}
)

_log = structlog.get_logger(__name__)


class Answer(NamedTuple):
    """What became of an act.

    Attributes:
        reason: ALLOWED when it was done.
        migration: The migration as it stands after it, where there is one.
        by: Who was faster, or who did it.
        at: When.
        sentence: What there is to say beyond the reason, plain text.
    """

    reason: Reason
    migration: Migration | None = None
    by: str = ""
    at: datetime | None = None
    sentence: str = ""

    @property
    def done(self) -> bool:
        """Whether the act took effect now."""
        return self.reason is Reason.ALLOWED


class Click(NamedTuple):
    """Who does something to which migration, and the delivery from Slack that says so ("" outside of Slack)."""

    user_id: str
    migration_id: str
    delivery: str = ""


class Service:
    """The acts.

    Args:
        settings: Clusters, roles and policy.
        ledger: The engine's part of the ledger.
        records: The bot's part.
        directory: Who has which role.
        cards: For projects and for what a migration's report says.
        verbs: The engine.
        changed: Called after every change: wakes the narrator and the scheduler.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        ledger: Ledger,
        records: BotLedger,
        directory: Directory,
        cards: Cards,
        verbs: Verbs,
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._records = records
        self._directory = directory
        self._cards = cards
        self._verbs = verbs
        self._changed = changed

    def may_request(self, user_id: str, request: Request) -> Answer:
        """Whether this person may ask for this, and whether anyone could approve it; changes nothing."""
        try:
            places = self._places(request)
            person = self._directory.standing(user_id, places, at_click=True)
            verdict = approvals.may_request(person, places)
            if not verdict.allowed:
                return Answer(verdict.reason, sentence=_missing(verdict))
            eligible = self._directory.eligible(places)
            policy = self._settings.policy
            return Answer(
                approvals.can_be_approved(eligible, places, user_id, policy).reason,
                sentence="Nobody but you could approve this.",
            )
        except FerryError as error:
            return Answer(Reason.IMPOSSIBLE, sentence=str(error))

    def check(self, request: Request, *, new_target: bool) -> None:
        """Ask both clusters whether they are there; may take long.

        Raises:
            FerryError: One is not reachable, or refuses its token.
        """
        secrets = self.secrets(request)
        self._verbs.check(request.source, secrets.source)
        if not new_target:
            self._verbs.check(request.target, secrets.target)

    def request(
        self, user_id: str, request: Request, *, reason: str = "", delivery: str = ""
    ) -> Answer:
        """Record a request; the scheduler plans it. Says so when nobody could approve it or when it is asked for already."""
        allowed = self.may_request(user_id, request)
        if not allowed.done:
            return allowed
        with self._ledger.transaction() as tx:
            if delivery and not self._records.receive(tx, delivery):
                return Answer(Reason.DUPLICATE)
            same = self._ledger.unfinished(request.identity)
            if same is not None and same.status in _OPEN:
                return _asked_already(same)
            migration = tx.add_migration(request, requester=user_id, reason=reason)
        return self._did(Answer(Reason.ALLOWED, migration, user_id, migration.created_at))

    def approve(self, click: Click, plan_hash: str, comment: str = "") -> Answer:
        """Approve the plan that was shown; exactly one of several approvers is the one."""

        def decide(
            person: Standing, migration: Migration, places: tuple[Place, ...]
        ) -> Answer | str:
            if migration.status is not Status.AWAITING_APPROVAL or migration.plan is None:
                return self._too_late(migration)
            policy = self._settings.policy
            verdict = approvals.may_approve(person, places, migration.requester, policy)
            if not verdict.allowed:
                return Answer(verdict.reason, migration, sentence=_missing(verdict))
            if migration.plan.hash != plan_hash:
                return Answer(Reason.PLAN_CHANGED, migration)
            return verdict.role

        def effect(tx: Transaction, migration: Migration, role: str) -> Migration:
            self._record(tx, migration, Word.APPROVED, click.user_id, role, comment)
            details: Details = {"role": role, "plan_hash": plan_hash, "comment": comment}
            return tx.apply(migration.id, EventName.APPROVE, actor=click.user_id, details=details)

        return self._act(click, "approve", decide, effect)

    def reject(self, click: Click, comment: str = "") -> Answer:
        """Reject a request that waits for approval."""

        def decide(
            person: Standing, migration: Migration, places: tuple[Place, ...]
        ) -> Answer | str:
            if migration.status is not Status.AWAITING_APPROVAL:
                return self._too_late(migration)
            verdict = approvals.may_reject(person, places)
            if not verdict.allowed:
                return Answer(verdict.reason, migration, sentence=_missing(verdict))
            return verdict.role

        def effect(tx: Transaction, migration: Migration, role: str) -> Migration:
            self._record(tx, migration, Word.REJECTED, click.user_id, role, comment)
            details: Details = {"role": role, "comment": comment}
            return tx.apply(migration.id, EventName.REJECT, actor=click.user_id, details=details)

        return self._act(click, "reject", decide, effect)

    def cancel(self, click: Click, comment: str = "") -> Answer:
        """Cancel at once what does not run, and ask the worker of what runs to stop."""

        def decide(
            person: Standing, migration: Migration, places: tuple[Place, ...]
        ) -> Answer | str:
            if migration.status not in _OPEN:
                return self._too_late(migration)
            verdict = approvals.may_cancel(person, places, migration.requester)
            if not verdict.allowed:
                return Answer(verdict.reason, migration, sentence=_missing(verdict))
            return verdict.role

        def effect(tx: Transaction, migration: Migration, role: str) -> Migration:
            details: Details = {"role": role, "reason": comment}
            return tx.apply(migration.id, EventName.CANCEL, actor=click.user_id, details=details)

        return self._act(click, "cancel", decide, effect)

    def resume(self, click: Click) -> Answer:
        """Let an approved migration that failed, was canceled or mismatched go on from its receipts."""

        def decide(
            person: Standing, migration: Migration, places: tuple[Place, ...]
        ) -> Answer | str:
            verdict = approvals.may_resume(person, places)
            if not verdict.allowed:
                return Answer(verdict.reason, migration, sentence=_missing(verdict))
            return verdict.role

        def effect(tx: Transaction, migration: Migration, role: str) -> Migration:
            details: Details = {"role": role}
            return tx.apply(migration.id, EventName.RESUME, actor=click.user_id, details=details)

        return self._act(click, "resume", decide, effect)

    def remigrate(self, click: Click) -> Answer:
        """Ask for a new migration of exactly the collections that differ, replacing them on the target; once per migration."""
        try:
            old = self._ledger.migration(click.migration_id)
            report = self._cards.report(old)
        except FerryError as error:
            return Answer(Reason.UNKNOWN_MIGRATION, sentence=error.message)
        differing = sorted(
            each.name for each in (report.collections if report else ()) if not each.verified
        )
        if old.status is not Status.MISMATCHED or not differing:
            return Answer(Reason.WRONG_STATE, old)
        again = {"collections": tuple(differing), "on_conflict": OnConflict.REPLACE}
        request = old.request.model_copy(update=again)
        allowed = self.may_request(click.user_id, request)
        if not allowed.done:
            return allowed._replace(migration=old)
        return self._remigrate(click, old, request)

    def secrets(self, request: Request) -> Secrets:
        """The tokens of both sides, read now; raises ConfigurationInvalid when one is missing."""
        token = self._settings.token_of
        return Secrets(token(request.source), token(request.target))

    def _remigrate(self, click: Click, old: Migration, request: Request) -> Answer:
        with self._ledger.transaction() as tx:
            if click.delivery and not self._records.receive(tx, click.delivery, old.id):
                return Answer(Reason.DUPLICATE)
            before = self._remigrated(old.id)
            if before is not None and before.status not in _IN_VAIN:
                return _asked_already(before)
            reason = f"Re-migration of {old.id}. {old.reason}".strip()
            migration = tx.add_migration(request, requester=click.user_id, reason=reason)
            tx.note(old.id, REMIGRATED, click.user_id, {"as": migration.id})
        return self._did(Answer(Reason.ALLOWED, migration, click.user_id, migration.created_at))

    def _remigrated(self, migration_id: str) -> Migration | None:
        events = self._ledger.events(migration_id=migration_id, limit=10_000)
        made = [event.details["as"] for event in events if event.name == REMIGRATED]
        return self._ledger.migration(made[-1]) if made else None

    def _act(
        self,
        click: Click,
        act: str,
        decide: Callable[[Standing, Migration, tuple[Place, ...]], Answer | str],
        effect: Callable[[Transaction, Migration, str], Migration],
    ) -> Answer:
        """Roles first, because Slack may be slow; then decision, effect and delivery in one transaction."""
        try:
            migration = self._ledger.migration(click.migration_id)
        except FerryError as error:
            return Answer(Reason.UNKNOWN_MIGRATION, sentence=error.message)
        try:
            places = self._cards.places(migration)
            person = self._directory.standing(click.user_id, places, at_click=True)
            with self._ledger.transaction() as tx:
                if click.delivery and not self._records.receive(
                    tx, click.delivery, click.migration_id
                ):
                    return Answer(Reason.DUPLICATE)
                migration = tx.migration(click.migration_id)
                decided = decide(person, migration, places)
                if isinstance(decided, Answer):
                    details: Details = {"act": act, "reason": decided.reason.value}
                    tx.note(migration.id, REFUSED, click.user_id, details)
                    return decided
                migration = effect(tx, migration, decided)
            return self._did(Answer(Reason.ALLOWED, migration, click.user_id, tx.now))
        except TransitionRefused as refused:
            return self._too_late(refused.migration)._replace(sentence=refused.sentence)
        except FerryError as error:
            return Answer(Reason.IMPOSSIBLE, sentence=str(error))

    def _record(
        self,
        tx: Transaction,
        migration: Migration,
        word: Word,
        user_id: str,
        role: str,
        comment: str,
    ) -> None:
        decided = Decided(
            user_id=user_id,
            role=role,
            verdict=word,
            plan_hash=migration.plan.hash if migration.plan else "",
            comment=comment,
            at=tx.now,
        )
        self._records.decide(tx, migration.id, decided)

    def _too_late(self, migration: Migration) -> Answer:
        """Who was faster, and when."""
        asked_by, asked_at = migration.cancel_requested_by or "", migration.cancel_requested_at
        if migration.status is Status.CANCELED:
            return Answer(Reason.ALREADY_CANCELED, migration, asked_by, asked_at)
        if migration.status is Status.EXPIRED:
            return Answer(Reason.EXPIRED, migration)
        if asked_at is not None:
            return Answer(Reason.ALREADY_CANCELING, migration, asked_by, asked_at)
        decisions = self._records.decisions(migration.id)
        if not decisions or migration.status is Status.AWAITING_APPROVAL:
            return Answer(Reason.WRONG_STATE, migration)
        last = decisions[-1]
        rejected = last.verdict is Word.REJECTED
        reason = Reason.ALREADY_REJECTED if rejected else Reason.ALREADY_APPROVED
        return Answer(reason, migration, last.user_id, last.at)

    def _places(self, request: Request) -> tuple[Place, Place]:
        place = self._settings.place_of
        return (place(request.source), place(request.target))

    def _did(self, answer: Answer) -> Answer:
        assert answer.migration is not None  # noqa: S101  # something was done to one
        _log.info(
            "acted",
            migration=answer.migration.id,
            status=answer.migration.status.value,
            by=answer.by,
        )
        self._changed()
        return answer


def _missing(verdict: approvals.Verdict) -> str:
    return (
        f"A role is missing for {', '.join(map(str, verdict.missing))}." if verdict.missing else ""
    )


def _asked_already(migration: Migration) -> Answer:
    sentence = f"The same was asked for already: it is {migration.id}"
    return Answer(Reason.IMPOSSIBLE, migration, migration.requester, migration.created_at, sentence)

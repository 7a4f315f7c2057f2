"""What people do to migrations: request, cancel, re-migrate, beside `deciding.py`, `going.py`, …; one transaction each.

Its answer says what was done, or why not and who was faster. It renders nothing and never waits for a cluster.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Final

import structlog

from bot import approvals
from bot.acts import OPEN, Answer, Click, Scene, asked_already
from bot.approvals import Reason, Standing
from bot.deciding import Deciding
from bot.freezing import Freezing
from bot.going import Going
from bot.settings import Place, Policy
from bot.throttling import Throttling
from bot.ticking import Ticking
from engine import remake
from engine.errors import FerryError
from engine.ledger import Transaction
from engine.lifecycle import Status, canceling
from engine.model import Details, Migration, Request, Secrets, Throttle

__all__ = ["Answer", "Click", "Service"]

_NAMED: Final = 4
"""How many people are named who have a role: it stands at a field of a form, which takes few words."""

_log = structlog.get_logger(__name__)


class Service(Deciding, Going, Freezing, Throttling, Ticking):
    """All acts; see `Acting` for what it is made of."""

    def may_request(self, user_id: str, request: Request) -> Answer:
        """Whether this person may ask for this, and whether anyone could approve it; changes nothing."""
        try:
            places = self._places(request)
            person = self._directory.standing(user_id, places, at_click=True)
            verdict = approvals.may_request(person, places)
            if not verdict.allowed:
                return Answer(verdict.reason, sentence=verdict.sentence)
            policy = self._settings.policy_of(request.target)

            def able(approver: Standing) -> bool:
                return approvals.may_approve(approver, places, user_id, policy).allowed

            found = tuple(islice(self._directory.eligible(places, able), policy.approvals))
            if len(found) < policy.approvals:
                return Answer(
                    Reason.NOBODY_CAN_APPROVE, sentence=self._whom_to_ask(found, places, policy)
                )
            return Answer(Reason.ALLOWED, sentence=verdict.role)
        except FerryError as error:
            return Answer(Reason.IMPOSSIBLE, sentence=str(error))

    def zone_of(self, user_id: str) -> str:
        """The time zone of a person ("Europe/Berlin"); "" when Slack does not tell it."""
        try:
            return self._directory.person(user_id).zone
        except FerryError as error:
            _log.info("zone_unknown", user=user_id, error=str(error))
            return ""

    def note_refused_request(self, user_id: str, request: Request, answer: Answer) -> None:
        """Put a request that was refused into the audit trail; no migration was made of it."""
        with self._ledger.transaction() as tx:
            _note_refused_request(tx, user_id, request, answer)

    def ticket_missing(self, request: Request, reason: str) -> str:
        """What is wrong when this target needs a ticket and the reason names none, plain text; else ""."""
        policy = self._settings.policy_of(request.target)
        if not policy.ticket_pattern or policy.ticket_in(reason):
            return ""
        return (
            f"Migrations to {request.target.name} need a ticket. "
            f"It must match {policy.ticket_pattern}"
        )

    def request(
        self,
        user_id: str,
        request: Request,
        *,
        reason: str = "",
        ticket: str = "",
        due_at: datetime | None = None,
        throttle: Throttle | None = None,
        delivery: str = "",
        allowed: Answer | None = None,
    ) -> Answer:
        """Record a request; the scheduler plans it. Says so when nobody could approve it or when it is asked for already.

        A delivery that was recorded before is DUPLICATE, with the migration that was made of it.

        Args:
            user_id: Who asks.
            request: What for.
            reason: Why, in their words; a ticket that is named in it counts.
            ticket: The ticket, where it was asked for by itself; it then stands before the reason.
            due_at: When it may start once it is approved (aware); None for at once.
            throttle: What its copy is limited to from the beginning.
            delivery: What Slack sent.
            allowed: What `may_request` said of it just now; it is asked otherwise.
        """
        reason = f"{ticket.strip()}: {reason}" if ticket.strip() else reason
        said = self.ticket_missing(request, reason)
        allowed = (
            Answer(Reason.TICKET_MISSING, sentence=said)
            if said
            else allowed or self.may_request(user_id, request)
        )
        if not allowed.done:
            self.note_refused_request(user_id, request, allowed)
            return allowed
        with self._ledger.transaction() as tx:
            made = self._records.made_by(tx, delivery)
            if made:
                return Answer(Reason.DUPLICATE, tx.migration(made))
            same = self._ledger.unfinished(request.identity)
            if same is not None and same.status in OPEN:
                answer = asked_already(same)
                _note_refused_request(tx, user_id, request, answer)
                return answer
            details: Details = {"role": allowed.sentence}
            migration = tx.add_migration(
                request,
                requester=user_id,
                reason=reason,
                due_at=due_at,
                throttle=throttle,
                details=details,
            )
            if delivery:
                self._records.receive(tx, delivery, migration.id)
        return self._did(Answer(Reason.ALLOWED, migration, user_id, migration.created_at))

    def cancel(self, click: Click, comment: str = "") -> Answer:
        """Cancel at once what does not run, ask the worker of what runs to stop, take back an undo that has not begun."""

        def decide(scene: Scene) -> Answer | str:
            migration = scene.migration
            if migration.status not in OPEN | {Status.UNDO_ASKED} or migration.putting_back:
                return self._over(migration)
            verdict = approvals.may_cancel(scene.person, scene.places, migration.requester)
            if not verdict.allowed:
                return Answer(verdict.reason, migration, sentence=verdict.sentence)
            return verdict.role

        def effect(scene: Scene, role: str) -> Migration:
            details: Details = {"role": role, "reason": comment}
            event = canceling(scene.migration.status)
            return scene.tx.apply(scene.migration.id, event, actor=click.user_id, details=details)

        return self._act(click, "cancel", decide, effect, stops=True)

    def remigrate(self, click: Click) -> Answer:
        """Ask for a new migration of exactly the collections that differ, replacing them on the target; once per migration."""
        old = self._find(click, "remigrate")
        if isinstance(old, Answer):
            return old
        if old.status is not Status.MISMATCHED:
            return self._refused(click, "remigrate", Answer(Reason.WRONG_STATE, old))
        try:
            request = remake.remigration(self._ledger, old.id)
        except FerryError as error:
            why = Answer(Reason.WRONG_STATE, old, sentence=str(error))
            return self._refused(click, "remigrate", why)
        allowed = self.may_request(click.user_id, request)
        if not allowed.done:
            return self._refused(click, "remigrate", allowed._replace(migration=old))
        return self._remigrate(click, old, request, allowed.sentence)

    def _whom_to_ask(
        self, able: Sequence[Standing], places: Sequence[Place], policy: Policy
    ) -> str:
        """Who is missing for an approval, and who can change that."""
        if able:
            named = self._directory.names(person.user_id for person in able)
            who = f"Only {named} may approve this, and it takes {policy.approvals}"
        else:
            who = "Nobody but you could approve this, and you may not approve your own request"
        held = "; ".join(f"{place}: {self._holders(place)}" for place in sorted(set(places)))
        return (
            f"{who}. It takes a role in each project; these have one: {held}. "
            f"Ask {self._settings.contact} to name another approver."
        )

    def _holders(self, place: Place) -> str:
        """The first people who have a role in a project, by name: Slack is asked for each."""
        some = [each.user_id for each in islice(self._directory.eligible([place]), _NAMED + 1)]
        named = self._directory.names(some[:_NAMED]) or "nobody"
        return f"{named} and others" if len(some) > _NAMED else named

    def secrets(self, request: Request) -> Secrets:
        """The tokens of both sides, read now; raises ConfigurationInvalid when one is missing."""
        token = self._settings.token_of
        return Secrets(token(request.source), token(request.target))

    def _remigrate(self, click: Click, old: Migration, request: Request, role: str) -> Answer:
        with self._ledger.transaction() as tx:
            if click.delivery and not self._records.receive(tx, click.delivery, old.id):
                return Answer(Reason.DUPLICATE)
            before = remake.taken_over(self._ledger, old.id)
            if before is not None:
                answer = asked_already(before)
                self._note_refused(tx, click, "remigrate", answer.reason, role)
                return answer
            reason = f"Re-migration of {old.id}. {old.reason}".strip()
            migration = tx.add_migration(
                request, requester=click.user_id, reason=reason, details={"role": role}
            )
            tx.note(old.id, remake.REMIGRATED, click.user_id, {"as": migration.id, "role": role})
        return self._did(Answer(Reason.ALLOWED, migration, click.user_id, migration.created_at))


def _note_refused_request(tx: Transaction, user_id: str, request: Request, answer: Answer) -> None:
    details: Details = {"request": request.model_dump(mode="json"), "said": answer.sentence}
    tx.audit("request", user_id, f"refused: {answer.reason.value}", details=details)

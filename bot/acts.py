"""What all acts of people have in common: who clicks what, the answer, and the one transaction of decision, effect and delivery.

Every act asks for the person's roles of this moment. Which acts there are and what they do is in `service.py`, `deciding.py`,
`going.py` and `freezing.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

import structlog

from bot.approvals import Reason, Standing, describe
from bot.cards import Cards
from bot.directory import Directory
from bot.ledger import BotLedger
from bot.notes import REFUSED
from bot.settings import Place, Settings
from bot.verbs import Verbs
from engine.errors import FerryError, InputRejected
from engine.ledger import Ledger, Transaction, TransitionRefused
from engine.lifecycle import Status
from engine.model import Details, Migration, Request

OPEN: Final = frozenset(
    {
        Status.PLANNING,
        Status.AWAITING_APPROVAL,
        Status.QUEUED,
        Status.RUNNING,
        Status.PAUSED,
    }
)
"""Where a migration can be canceled, and where the same is not asked for again."""

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


class Scene(NamedTuple):
    """What a decision is made from: the person as they stand, the migration as it is in the transaction, and its projects.

    `others` are the people on whom it depends besides, as they stand.
    """

    tx: Transaction
    person: Standing
    migration: Migration
    places: tuple[Place, ...]
    others: Mapping[str, Standing]


class Acting:
    """The base of the acts.

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

    def _act(
        self,
        click: Click,
        act: str,
        decide: Callable[[Scene], Answer | str],
        effect: Callable[[Scene, str], Migration | Answer],
        others: Callable[[Migration], Iterable[str]] = lambda _: (),
        *,
        stops: bool = False,
    ) -> Answer:
        """Roles first, because Slack may be slow; then decision, effect and delivery in one transaction.

        Args:
            click: Who, and which migration.
            act: What they do, for the trail.
            decide: The role in which they may do it, or why not.
            effect: Does it, in that role; or why it is not possible, where nothing was written; or that it may be done, where
                that alone was asked.
            others: On whose roles of this moment it depends besides.
            stops: It only stops something: possible also where a cluster is configured no longer.
        """
        migration = self._find(click, act)
        if isinstance(migration, Answer):
            return migration
        try:
            cards = self._cards
            places = cards.places_left(migration) if stops else cards.places(migration)
            people = (click.user_id, *others(migration))
            standings = self._directory.standings(people, places, at_click=True)
            with self._ledger.transaction() as tx:
                if click.delivery and not self._records.receive(
                    tx, click.delivery, click.migration_id
                ):
                    return Answer(Reason.DUPLICATE)
                person, migration = standings.pop(click.user_id), tx.migration(migration.id)
                scene = Scene(tx, person, migration, places, standings)
                decided = decide(scene)
                done = decided if isinstance(decided, Answer) else effect(scene, decided)
                if isinstance(done, Answer):
                    if not done.done:
                        held = [place for place in places if place in person.roles]
                        self._note_refused(tx, click, act, done.reason, describe(person, held))
                    return done
            return self._did(Answer(Reason.ALLOWED, done, click.user_id, tx.now))
        except TransitionRefused as refused:
            answer = self._over(refused.migration)._replace(sentence=refused.sentence)
        except FerryError as error:
            answer = Answer(Reason.IMPOSSIBLE, sentence=str(error))
        return self._refused(click, act, answer)

    def _find(self, click: Click, act: str) -> Migration | Answer:
        """The migration that an act is about, or why there is none to act on."""
        try:
            return self._ledger.migration(click.migration_id)
        except InputRejected as error:
            answer = Answer(Reason.UNKNOWN_MIGRATION, sentence=error.message)
        except FerryError as error:
            answer = Answer(Reason.IMPOSSIBLE, sentence=str(error))
        return self._refused(click, act, answer)

    def _refused(self, click: Click, act: str, answer: Answer) -> Answer:
        """A refusal without a transaction of its effect, or whose transaction came to nothing: the trail has it all the same."""
        of = "" if answer.reason is Reason.UNKNOWN_MIGRATION else click.migration_id
        try:
            with self._ledger.transaction() as tx:
                if click.delivery and not self._records.receive(tx, click.delivery, of):
                    return Answer(Reason.DUPLICATE)
                self._note_refused(tx, click, act, answer.reason)
        except FerryError as error:
            _log.error("refusal_not_recorded", act=act, by=click.user_id, error=str(error))
        return answer

    @staticmethod
    def _note_refused(
        tx: Transaction, click: Click, act: str, reason: Reason, role: str = ""
    ) -> None:
        """A click that was refused stands among the events and, with the roles that the person had, in the audit trail."""
        details: Details = {"act": act, "reason": reason.value, "role": role}
        outcome = f"refused: {reason.value}"
        if reason is Reason.UNKNOWN_MIGRATION:
            tx.audit(act, click.user_id, outcome, details={"asked": click.migration_id[:64]})
            return
        tx.note(click.migration_id, REFUSED, click.user_id, details, act=act, outcome=outcome)

    def _over(self, migration: Migration) -> Answer:
        """Who ended it, or is ending it, and when; where nobody did, just that it is too late."""
        if migration.status in {Status.UNDOING, Status.UNDONE}:
            return Answer(Reason.WRONG_STATE, migration)
        asked_by, asked_at = migration.cancel_requested_by or "", migration.cancel_requested_at
        if migration.status is Status.CANCELED:
            return Answer(Reason.ALREADY_CANCELED, migration, asked_by, asked_at)
        if migration.status is Status.EXPIRED:
            return Answer(Reason.EXPIRED, migration)
        if asked_at is not None:
            return Answer(Reason.ALREADY_CANCELING, migration, asked_by, asked_at)
        decisions = self._records.decisions(migration.id)
        if migration.status is Status.REJECTED and decisions:
            return Answer(
                Reason.ALREADY_REJECTED, migration, decisions[-1].user_id, decisions[-1].at
            )
        return Answer(Reason.WRONG_STATE, migration)

    def _too_late(self, migration: Migration) -> Answer:
        """As `_over`, for a decision: who approved it before, and when, where it goes on or went on from there."""
        over = self._over(migration)
        decisions = self._records.decisions(migration.id)
        pending = migration.status in {Status.AWAITING_APPROVAL, Status.UNDOING, Status.UNDONE}
        if over.reason is not Reason.WRONG_STATE or pending or not decisions:
            return over
        return Answer(Reason.ALREADY_APPROVED, migration, decisions[-1].user_id, decisions[-1].at)

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


def asked_already(migration: Migration) -> Answer:
    """Somebody asked for the same before."""
    sentence = f"The same was asked for already: it is {migration.id}"
    return Answer(Reason.IMPOSSIBLE, migration, migration.requester, migration.created_at, sentence)

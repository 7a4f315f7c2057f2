"""What belongs to no migration: freeze and thaw, a person's word that nothing starts, and another's that it may again; the doctor.

What runs goes on. Who may do so is decided in `approvals.py`; what a freeze holds is decided in `waiting.py`.
"""

from collections.abc import Callable
from typing import NamedTuple

import structlog

from bot import approvals
from bot.acts import Acting, Answer
from bot.approvals import Reason, Standing, Verdict
from bot.ledger import Freeze, Kind
from engine.errors import FerryError
from engine.ledger import Transaction
from engine.model import Details

_log = structlog.get_logger(__name__)


class _Wish(NamedTuple):
    """What somebody wants that is about no migration: the act, who, why, and what Slack sent."""

    act: str
    user_id: str
    reason: str = ""
    delivery: str = ""


class Freezing(Acting):
    """The acts about no migration."""

    def frozen(self) -> Freeze | None:
        """The freeze that lasts."""
        return self._records.open_freeze()

    def may_examine(self, user_id: str) -> Answer:
        """Whether this person may have Ferry's parts looked at: anyone with a role."""
        try:
            person = self._directory.standing(user_id, self._settings.places, at_click=True)
        except FerryError as error:
            return Answer(Reason.IMPOSSIBLE, sentence=str(error))
        verdict = approvals.may_examine(person)
        return Answer(verdict.reason, sentence=verdict.sentence)

    def freeze(self, user_id: str, reason: str = "", delivery: str = "") -> Answer:
        """Let nothing start until somebody thaws it; the approvals channel is told. Each delivery from Slack counts once."""

        def effect(tx: Transaction, role: str, present: Freeze | None) -> Answer:
            if present is not None:
                said = present.reason
                return Answer(Reason.ALREADY_FROZEN, by=present.by, at=present.at, sentence=said)
            freeze_id = self._records.begin_freeze(tx, user_id, role, reason)
            self._records.owe(tx, "", freeze_id, Kind.FREEZE)
            return Answer(Reason.ALLOWED, by=user_id, at=tx.now)

        def decide(person: Standing, _present: Freeze | None) -> Verdict:
            return approvals.may_freeze(person)

        return self._about_all(_Wish("freeze", user_id, reason, delivery), decide, effect)

    def thaw(self, user_id: str, delivery: str = "") -> Answer:
        """End the freeze; what waited for it starts by itself. Each delivery from Slack counts once."""

        def effect(tx: Transaction, role: str, present: Freeze | None) -> Answer:
            if present is None:
                return Answer(Reason.NOT_FROZEN)
            self._records.end_freeze(tx, present.id, user_id, role)
            self._records.owe(tx, "", present.id, Kind.THAW)
            return Answer(Reason.ALLOWED, by=user_id, at=tx.now)

        def decide(person: Standing, present: Freeze | None) -> Verdict:
            if present is None:
                return approvals.may_freeze(
                    person
                )  # there is nothing to end, which is said to whoever has a role
            return approvals.may_thaw(person, present.by)

        return self._about_all(_Wish("thaw", user_id, "", delivery), decide, effect)

    def _about_all(
        self,
        wish: _Wish,
        decide: Callable[[Standing, Freeze | None], Verdict],
        effect: Callable[[Transaction, str, Freeze | None], Answer],
    ) -> Answer:
        """Roles in all projects first; then decision, effect and delivery in one transaction. A refusal is a row, too."""
        try:
            person = self._directory.standing(wish.user_id, self._settings.places, at_click=True)
        except FerryError as error:
            answer = Answer(Reason.IMPOSSIBLE, sentence=str(error))
            return self._in_one(wish, lambda _: (answer, ""))

        def decided(tx: Transaction) -> tuple[Answer, str]:
            present = self._records.open_freeze(tx)
            verdict = decide(person, present)
            role = approvals.describe(person, person.roles)
            if not verdict.allowed:
                by, at = (present.by, present.at) if present else ("", None)
                return Answer(verdict.reason, by=by, at=at, sentence=verdict.sentence), role
            return effect(tx, verdict.role, present), role

        answer = self._in_one(wish, decided)
        if answer.done:
            _log.info("freeze_changed", by=wish.user_id, frozen=self.frozen() is not None)
            self._changed()
        return answer

    def _in_one(self, wish: _Wish, act: Callable[[Transaction], tuple[Answer, str]]) -> Answer:
        """An act, its delivery and its row of the trail: all or nothing. `act` says what became of it, and the person's role."""
        try:
            with self._ledger.transaction() as tx:
                if wish.delivery and not self._records.receive(tx, wish.delivery):
                    return Answer(Reason.DUPLICATE)
                answer, role = act(tx)
                outcome = "done" if answer.done else f"refused: {answer.reason.value}"
                told: Details = {"role": role, "reason": wish.reason}
                tx.audit(wish.act, wish.user_id, outcome, details=told)
        except FerryError as error:
            return Answer(Reason.IMPOSSIBLE, sentence=str(error))
        return answer

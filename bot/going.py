"""Pause, resume, repair, retry, verify again, undo: what people do to a migration that was approved, beside canceling it.

Who may is decided in `approvals.py`; from which state each is possible is decided by the engine's lifecycle, never here.
"""

from collections.abc import Callable
from typing import Final

from bot import approvals
from bot.acts import Acting, Answer, Click, Scene
from bot.approvals import Reason, Verdict
from engine.ledger import TransitionRefused
from engine.lifecycle import EventName, Status
from engine.model import Details, Migration
from engine.remake import not_beside

_BEING_UNDONE: Final = frozenset({Status.UNDO_ASKED, Status.UNDOING, Status.UNDONE})
_MENDS: Final = frozenset({EventName.RESUME, EventName.REPAIR})


class Going(Acting):
    """The acts that let a migration rest or go on."""

    def pause(self, click: Click) -> Answer:
        """Let a migration rest: at once when nobody works on it, else after the chunks under way."""
        return self._steer(click, "pause", _may_pause, lambda _: EventName.PAUSE, stops=True)

    def resume(self, click: Click) -> Answer:
        """Let a migration that rests, failed, was canceled or mismatched go on from its receipts."""
        return self._steer(click, "resume", _may_go_on, lambda _: EventName.RESUME)

    def repair(self, click: Click) -> Answer:
        """Mend on the target just the entities that did not verify, and verify them again."""
        return self._steer(click, "repair", _may_go_on, lambda _: EventName.REPAIR)

    def retry(self, click: Click) -> Answer:
        """Repair what mismatched, resume what ended otherwise."""
        return self._steer(click, "retry", _may_go_on, _again)

    def verify(self, click: Click) -> Answer:
        """Compare what an ended migration made with all of the source once more."""
        return self._steer(click, "verify", _may_go_on, lambda _: EventName.VERIFY)

    def may_undo(self, click: Click) -> Answer:
        """Whether this person may have a migration undone as it stands now; what is asked changes nothing."""

        def effect(scene: Scene, _role: str) -> Answer:
            refused = self._ledger.refusal(scene.migration.id, EventName.ASK_UNDO)
            if refused is None:
                return Answer(Reason.ALLOWED, scene.migration)
            return Answer(Reason.WRONG_STATE, refused.migration, sentence=refused.sentence)

        decide = _allowed(_may_undo)
        return self._undo_known(self._act(click, "undo", decide, effect))

    def undo(self, click: Click) -> Answer:
        """Have what a migration made on its target dropped in the background, unless someone else wrote to it since."""
        return self._undo_known(self._steer(click, "undo", _may_undo, lambda _: EventName.ASK_UNDO))

    def _undo_known(self, answer: Answer) -> Answer:
        """Who was faster, where the refusal is that an undo was asked for already."""
        migration = answer.migration
        if (
            answer.reason is not Reason.WRONG_STATE
            or migration is None
            or migration.status not in _BEING_UNDONE
        ):
            return answer
        asked = self._ledger.last_named(migration.id, EventName.ASK_UNDO)
        by, at = (asked.actor, asked.at) if asked else ("", None)
        return Answer(Reason.ALREADY_UNDOING, migration, by, at)

    def _steer(
        self,
        click: Click,
        act: str,
        may: Callable[[Scene], Verdict],
        event: Callable[[Migration], EventName],
        *,
        stops: bool = False,
    ) -> Answer:
        def effect(scene: Scene, role: str) -> Migration | Answer:
            migration = scene.migration
            asked = event(migration)
            beside = not_beside(self._ledger, migration) if asked in _MENDS else None
            if beside is not None:
                said = f"{beside.message} {beside.next_step}"
                return Answer(Reason.WRONG_STATE, migration, sentence=said)
            try:
                details: Details = {"role": role}
                return scene.tx.apply(migration.id, asked, actor=click.user_id, details=details)
            except TransitionRefused as refused:
                reason = Reason.WRONG_STATE
                return Answer(reason, refused.migration, sentence=refused.sentence)

        return self._act(click, act, _allowed(may), effect, stops=stops)


def _allowed(may: Callable[[Scene], Verdict]) -> Callable[[Scene], Answer | str]:
    """The role in which somebody may, or why not."""

    def decide(scene: Scene) -> Answer | str:
        verdict = may(scene)
        if not verdict.allowed:
            return Answer(verdict.reason, scene.migration, sentence=verdict.sentence)
        return verdict.role

    return decide


def _may_pause(scene: Scene) -> Verdict:
    return approvals.may_pause(scene.person, scene.places, scene.migration.requester)


def _may_go_on(scene: Scene) -> Verdict:
    return approvals.may_resume(scene.person, scene.places)


def _may_undo(scene: Scene) -> Verdict:
    return approvals.may_undo(scene.person, scene.places)


def _again(migration: Migration) -> EventName:
    return EventName.REPAIR if migration.status is Status.MISMATCHED else EventName.RESUME

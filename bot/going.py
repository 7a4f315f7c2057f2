"""Pause, resume, repair, retry: what people do to a migration that was approved, beside canceling it.

Who may is decided in `approvals.py`; from which state each is possible is decided by the engine's lifecycle, never here.
"""

from collections.abc import Callable

from bot import approvals
from bot.acts import Acting, Answer, Click, Scene
from bot.approvals import Reason, Verdict
from engine.ledger import TransitionRefused
from engine.lifecycle import EventName, Status
from engine.model import Migration


class Going(Acting):
    """The acts that let a migration rest or go on."""

    def pause(self, click: Click) -> Answer:
        """Let a migration rest: at once when nobody works on it, else after the chunks under way."""
        return self._steer(click, "pause", _may_pause, lambda _: EventName.PAUSE)

    def resume(self, click: Click) -> Answer:
        """Let a migration that rests, failed, was canceled or mismatched go on from its receipts."""
        return self._steer(click, "resume", _may_go_on, lambda _: EventName.RESUME)

    def repair(self, click: Click) -> Answer:
        """Mend on the target just the entities that did not verify, and verify them again."""
        return self._steer(click, "repair", _may_go_on, lambda _: EventName.REPAIR)

    def retry(self, click: Click) -> Answer:
        """Repair what mismatched, resume what ended otherwise."""
        return self._steer(click, "retry", _may_go_on, _again)

    def _steer(
        self,
        click: Click,
        act: str,
        may: Callable[[Scene], Verdict],
        event: Callable[[Migration], EventName],
    ) -> Answer:
        def decide(scene: Scene) -> Answer | str:
            verdict = may(scene)
            if not verdict.allowed:
                return Answer(verdict.reason, scene.migration, sentence=verdict.sentence)
            return verdict.role

        def effect(scene: Scene, role: str) -> Migration | Answer:
            migration = scene.migration
            try:
                return scene.tx.apply(
                    migration.id, event(migration), actor=click.user_id, details={"role": role}
                )
            except TransitionRefused as refused:
                reason = Reason.WRONG_STATE
                return Answer(reason, refused.migration, sentence=refused.sentence)

        return self._act(click, act, decide, effect)


def _may_pause(scene: Scene) -> Verdict:
    return approvals.may_pause(scene.person, scene.places, scene.migration.requester)


def _may_go_on(scene: Scene) -> Verdict:
    return approvals.may_resume(scene.person, scene.places)


def _again(migration: Migration) -> EventName:
    return EventName.REPAIR if migration.status is Status.MISMATCHED else EventName.RESUME

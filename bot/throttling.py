"""Throttle: a person limits how fast a migration copies, or lifts the limit; its worker hears of it within seconds.

It takes a role: who asked for a migration may stop it, but not lift an operator's limit. How a limit is
written is in `throttles.py`; how it is kept, in the engine.
"""

from bot import approvals
from bot.acts import Acting, Answer, Click, Scene
from engine.ledger import TransitionRefused
from engine.model import Migration, Throttle


class Throttling(Acting):
    """The act that limits a copy."""

    def throttle(self, click: Click, throttle: Throttle | None) -> Answer:
        """Limit the copy, now or when it runs, or lift the limit (None); refused once it has ended for good."""

        def decide(scene: Scene) -> Answer | str:
            migration = scene.migration
            verdict = approvals.may_throttle(scene.person, scene.places)
            if not verdict.allowed:
                return Answer(verdict.reason, migration, sentence=verdict.sentence)
            return verdict.role

        def effect(scene: Scene, role: str) -> Migration | Answer:
            try:
                return scene.tx.throttle(
                    scene.migration.id, throttle, click.user_id, {"role": role}
                )
            except TransitionRefused as refused:
                reason = approvals.Reason.WRONG_STATE
                return Answer(reason, refused.migration, sentence=refused.sentence)

        return self._act(click, "throttle", decide, effect)

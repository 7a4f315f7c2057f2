"""Tick a step of the cut-over checklist, or take the tick back: who may, and what is recorded with it."""

from bot import approvals, checklist
from bot.acts import Acting, Answer, Click, Scene
from bot.approvals import Reason
from bot.checklist import Step
from bot.notes import TICKED
from engine.model import Details, Migration


class Ticking(Acting):
    """The acts on a checklist."""

    def tick(self, click: Click, step: Step, *, done: bool = True) -> Answer:
        """Say that a step was done, or with `done` False that it was not; the first of two who say the same counts."""

        def decide(scene: Scene) -> Answer | str:
            migration = scene.migration
            verdict = approvals.may_tick(scene.person, scene.places, migration.requester)
            if not verdict.allowed:
                return Answer(verdict.reason, migration, sentence=verdict.sentence)
            status, cleared = migration.status, migration.cleared_at is not None
            if not checklist.may_be_ticked(step, status, cleared=cleared):
                said = checklist.why_not(step, status)
                return Answer(Reason.WRONG_STATE, migration, sentence=said)
            ticks = self._records.ticks(migration.id, scene.tx)
            before = next((each for each in reversed(ticks) if each.step is step), None)
            if done is bool(before and before.done):
                if before is None:
                    return Answer(Reason.NOT_TICKED, migration)
                reason = Reason.ALREADY_TICKED if done else Reason.NOT_TICKED
                return Answer(reason, migration, before.user_id, before.at)
            return verdict.role

        def effect(scene: Scene, role: str) -> Migration:
            tx, migration_id = scene.tx, scene.migration.id
            self._records.tick(tx, migration_id, step, click.user_id, role, done=done)
            details: Details = {"step": step.value, "done": done, "role": role}
            act = "tick" if done else "untick"
            tx.note(migration_id, TICKED, click.user_id, details, act=act, outcome="done")
            return tx.migration(migration_id)

        return self._act(click, "tick" if done else "untick", decide, effect)

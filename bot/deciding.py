"""Approve and reject: who may, how many it takes, and what is recorded with it."""

from bot import approvals
from bot.acts import Acting, Answer, Click, Scene
from bot.approvals import Reason, Tally
from bot.ledger import Decided
from bot.ledger import Verdict as Word
from bot.notes import BREAK_GLASS, COUNTED, FELL
from bot.planning import ACTOR
from bot.settings import Policy
from engine.ledger import Transaction
from engine.lifecycle import EventName, Status
from engine.model import Details, Migration


class Deciding(Acting):
    """The acts of approvers."""

    def approve(self, click: Click, plan_hash: str, comment: str = "") -> Answer:
        """Approve the plan that was shown; the approval that completes the number queues the migration, exactly once."""

        def decide(scene: Scene) -> Answer | str:
            migration = scene.migration
            if migration.status is not Status.AWAITING_APPROVAL or migration.plan is None:
                return self._too_late(migration)
            policy = self._policy(migration)
            verdict = approvals.may_approve(scene.person, scene.places, migration.requester, policy)
            if not verdict.allowed:
                return Answer(verdict.reason, migration, sentence=verdict.sentence)
            if migration.plan.hash != plan_hash:
                return Answer(Reason.PLAN_CHANGED, migration)
            return self._counted_before(scene, policy) or verdict.role

        def effect(scene: Scene, role: str) -> Migration:
            tx, migration = scene.tx, scene.migration
            fallen = self._fallen(scene)
            for user in fallen:
                tx.note(migration.id, FELL, ACTOR, {"user": user})
            self._record(tx, migration, Word.APPROVED, click.user_id, role, comment)
            tally = self._tally(tx, migration).without(fallen)
            details: Details = {"role": role, "plan_hash": plan_hash, "comment": comment}
            details |= {"approvals": len(tally.counted), "needed": tally.needed}
            if tally.open:
                tx.note(migration.id, COUNTED, click.user_id, details)
                return tx.migration(migration.id)
            return tx.apply(migration.id, EventName.APPROVE, actor=click.user_id, details=details)

        return self._act(click, "approve", decide, effect, self._approvers)

    def break_glass(self, click: Click, plan_hash: str, reason: str) -> Answer:
        """Start a migration without the approvals it needs, where the target's policy has a channel that is told of it."""

        def decide(scene: Scene) -> Answer | str:
            allowed = self._may_break_glass(scene, plan_hash)
            if isinstance(allowed, str) and len(reason.strip()) < approvals.BREAK_GLASS_REASON_MIN:
                return Answer(Reason.REASON_MISSING, scene.migration)
            return allowed

        def effect(scene: Scene, role: str) -> Migration:
            tx, migration = scene.tx, scene.migration
            self._record(tx, migration, Word.FORCED, click.user_id, role, reason)
            details: Details = {"role": role, "plan_hash": plan_hash, "comment": reason}
            details |= {BREAK_GLASS: True}
            return tx.apply(migration.id, EventName.APPROVE, actor=click.user_id, details=details)

        return self._act(click, "break_glass", decide, effect)

    def may_break_glass(self, click: Click, plan_hash: str) -> Answer:
        """Whether this person may start the plan that was shown without the approvals; what is asked changes nothing."""

        def decide(scene: Scene) -> Answer | str:
            return self._may_break_glass(scene, plan_hash)

        def effect(scene: Scene, _role: str) -> Answer:
            return Answer(Reason.ALLOWED, scene.migration)

        return self._act(click, "break_glass", decide, effect)

    def _may_break_glass(self, scene: Scene, plan_hash: str) -> Answer | str:
        migration = scene.migration
        if migration.status is not Status.AWAITING_APPROVAL or migration.plan is None:
            return self._too_late(migration)
        if not self._policy(migration).break_glass_channel:
            return Answer(Reason.NO_BREAK_GLASS, migration)
        verdict = approvals.may_break_glass(scene.person, scene.places)
        if not verdict.allowed:
            return Answer(verdict.reason, migration, sentence=verdict.sentence)
        if migration.plan.hash != plan_hash:
            return Answer(Reason.PLAN_CHANGED, migration)
        return verdict.role

    def reject(self, click: Click, comment: str = "") -> Answer:
        """Reject a request that waits for approval."""

        def decide(scene: Scene) -> Answer | str:
            if scene.migration.status is not Status.AWAITING_APPROVAL:
                return self._too_late(scene.migration)
            verdict = approvals.may_reject(scene.person, scene.places)
            if not verdict.allowed:
                return Answer(verdict.reason, scene.migration, sentence=verdict.sentence)
            return verdict.role

        def effect(scene: Scene, role: str) -> Migration:
            tx, migration = scene.tx, scene.migration
            self._record(tx, migration, Word.REJECTED, click.user_id, role, comment)
            details: Details = {"role": role, "comment": comment}
            return tx.apply(migration.id, EventName.REJECT, actor=click.user_id, details=details)

        return self._act(click, "reject", decide, effect, stops=True)

    def _policy(self, migration: Migration) -> Policy:
        return self._settings.policy_of(migration.request.target)

    def _tally(self, tx: Transaction, migration: Migration) -> Tally:
        """The approvals of the plan as it waits now."""
        put_up = tx.last_change(migration.id)
        void = approvals.Void(
            plan_hash=migration.plan.hash if migration.plan else "",
            since=put_up.at if put_up else migration.created_at,
            fell=self._cards.fell(migration),
        )
        decisions = self._records.decisions(migration.id, tx)
        return approvals.tally(decisions, void, self._policy(migration).approvals)

    def _counted_before(self, scene: Scene, policy: Policy) -> Answer | None:
        """Why an approval would be no other one; where enough are there, because the policy was lowered, one more starts it."""
        tally = self._tally(scene.tx, scene.migration).without(self._fallen(scene))
        if scene.person.user_id not in tally.counted or not tally.open:
            return None
        said = f"{len(tally.counted)} of {policy.approvals} approvals are there."
        return Answer(Reason.ALREADY_COUNTED, scene.migration, sentence=said)

    def _approvers(self, migration: Migration) -> frozenset[str]:
        """Who approved it before: whether they still may is asked with the click, because Slack may be slow."""
        decisions = self._records.decisions(migration.id)
        return frozenset(each.user_id for each in decisions if each.verdict is Word.APPROVED)

    def _fallen(self, scene: Scene) -> tuple[str, ...]:
        """Whose approvals would count, but they may not approve any more; who approved meanwhile was asked at that moment."""
        migration, policy = scene.migration, self._policy(scene.migration)
        return tuple(
            user
            for user in self._tally(scene.tx, migration).counted
            if (other := scene.others.get(user)) is not None
            and not approvals.may_approve(other, scene.places, migration.requester, policy).allowed
        )

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

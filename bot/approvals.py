"""Who may request, approve, reject, cancel, and how many approvals there are: pure decisions, each with its reason.

They are made again at every click, from the roles of that moment. Nothing here asks Slack, the ledger or a clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from bot.ledger import Decided
from bot.ledger import Verdict as Word
from bot.notes import FELL
from bot.settings import Place, Policy
from engine.model import Event

BREAK_GLASS_REASON_MIN: Final = 10
"""Characters: a reason is a sentence, not a dot."""


class Role(StrEnum):
    """The two roles that may act, in Zilliz Cloud's words; everyone else may look."""

    ORGANIZATION_OWNER = "Organization Owner"
    PROJECT_ADMIN = "Project Admin"


class Reason(StrEnum):
    """Why an act was done or refused; `views/refusals.py` has a text for each refusal, or says the sentence that comes with it."""

    ALLOWED = "allowed"
    NO_ROLE = "no_role"
    OWN_REQUEST = "own_request"
    NOBODY_CAN_APPROVE = "nobody_can_approve"
    PLAN_CHANGED = "plan_changed"
    ALREADY_COUNTED = "already_counted"
    ALREADY_APPROVED = "already_approved"
    ALREADY_REJECTED = "already_rejected"
    ALREADY_CANCELED = "already_canceled"
    ALREADY_CANCELING = "already_canceling"
    ALREADY_UNDOING = "already_undoing"
    EXPIRED = "expired"
    TICKET_MISSING = "ticket_missing"
    NO_BREAK_GLASS = "no_break_glass"
    REASON_MISSING = "reason_missing"
    ALREADY_TICKED = "already_ticked"
    NOT_TICKED = "not_ticked"
    ALREADY_FROZEN = "already_frozen"
    OTHERS_FREEZE = "others_freeze"
    NOT_FROZEN = "not_frozen"
    WRONG_STATE = "wrong_state"
    UNKNOWN_MIGRATION = "unknown_migration"
    SAME_PLACE = "same_place"
    NO_CLUSTERS = "no_clusters"
    IMPOSSIBLE = "impossible"
    DUPLICATE = "duplicate"


class Standing(NamedTuple):
    """A person and the roles that they hold at this moment, by project; a project without a role is left out."""

    user_id: str
    roles: Mapping[Place, Role]


class Verdict(NamedTuple):
    """A decision: whether, why, in which role, and for which projects a role is missing."""

    reason: Reason
    role: str = ""
    missing: tuple[Place, ...] = ()

    @property
    def sentence(self) -> str:
        """For which projects a role is missing; "" when none is."""
        where = ", ".join(map(str, self.missing))
        return f"A role is missing for {where}." if where else ""

    @property
    def allowed(self) -> bool:
        """Whether the act may be done."""
        return self.reason is Reason.ALLOWED


def may_request(person: Standing, places: Iterable[Place]) -> Verdict:
    """Whether a person may ask for a migration between these projects: a role in each of them."""
    return _needs_all(person, places)


def may_approve(
    person: Standing, places: Iterable[Place], requester: str, policy: Policy
) -> Verdict:
    """Whether a person may approve: a role in each project, and not their own request unless policy says so."""
    verdict = _needs_all(person, places)
    if verdict.allowed and person.user_id == requester and not policy.requester_may_approve:
        return Verdict(Reason.OWN_REQUEST, verdict.role)
    return verdict


def may_reject(person: Standing, places: Iterable[Place]) -> Verdict:
    """Whether a person may reject: a role in one of the projects is enough to say no."""
    return _needs_one(person, places)


def may_cancel(person: Standing, places: Iterable[Place], requester: str) -> Verdict:
    """Whether a person may cancel: who asked for it, or a role in one of the projects; stopping is the safe side."""
    verdict = _needs_one(person, places)
    if not verdict.allowed and person.user_id == requester:
        return Verdict(Reason.ALLOWED, "requester")
    return verdict


def may_pause(person: Standing, places: Iterable[Place], requester: str) -> Verdict:
    """Whether a person may let a migration rest: whoever may cancel it."""
    return may_cancel(person, places, requester)


def may_throttle(person: Standing, places: Iterable[Place]) -> Verdict:
    """Whether a person may limit a copy or lift its limit: a role in one of the projects; faster is not the safe side."""
    return _needs_one(person, places)


def may_tick(person: Standing, places: Iterable[Place], requester: str) -> Verdict:
    """Whether a person may say that a step of the cut-over is done: who asked for it, or a role in one of the projects."""
    return may_cancel(person, places, requester)


def may_break_glass(person: Standing, places: Iterable[Place]) -> Verdict:
    """Whether a person may start a migration without the approvals: a role in each project, also for their own request."""
    return _needs_all(person, places)


def may_freeze(person: Standing) -> Verdict:
    """Whether a person may keep everything from starting: any role anywhere; stopping is the safe side."""
    if not person.roles:
        return Verdict(Reason.NO_ROLE)
    return Verdict(Reason.ALLOWED, describe(person, person.roles))


def may_examine(person: Standing) -> Verdict:
    """Whether a person may have Ferry's parts looked at: any role anywhere; what is said names clusters and channels."""
    return may_freeze(person)


def may_thaw(person: Standing, frozen_by: str) -> Verdict:
    """Whether a person may end a freeze: who began it and still has a role, or an Organization Owner."""
    owned = tuple(p for p, role in person.roles.items() if role is Role.ORGANIZATION_OWNER)
    if owned:
        return Verdict(Reason.ALLOWED, describe(person, owned))
    if person.roles and person.user_id == frozen_by:
        return Verdict(Reason.ALLOWED, describe(person, person.roles))
    return Verdict(Reason.OTHERS_FREEZE if person.roles else Reason.NO_ROLE)


def may_resume(person: Standing, places: Iterable[Place]) -> Verdict:
    """Whether a person may let an approved migration go on, or mend what it did not prove: a role in each project."""
    return _needs_all(person, places)


def may_undo(person: Standing, places: Sequence[Place]) -> Verdict:
    """Whether a person may have what a migration made dropped: a role in the target's project, where the data is.

    Args:
        person: Who.
        places: The source's project and the target's.
    """
    return _needs_all(person, places[1:])


class Tally(NamedTuple):
    """The approvals that count, each person once, in their order, and how many it takes."""

    counted: tuple[str, ...]
    needed: int

    @property
    def open(self) -> int:
        """How many are still needed."""
        return max(0, self.needed - len(self.counted))

    def without(self, users: Iterable[str]) -> "Tally":
        """The tally without the approvals of people who may not approve any more."""
        gone = set(users)
        return self._replace(counted=tuple(user for user in self.counted if user not in gone))


class Void(NamedTuple):
    """What makes a decision void.

    Attributes:
        plan_hash: The plan that waits, or ran; what was decided about another does not count.
        since: When it was put up for approval: what was decided before is void, also about an equal plan; None once approved.
        fell: Until when the approvals of those do not count who were found not to be allowed to approve any more.
    """

    plan_hash: str
    since: datetime | None
    fell: Mapping[str, datetime]

    def why(self, decided: Decided) -> Literal["", "plan", "role"]:
        """Why a decision does not count; "" when it does."""
        if decided.plan_hash != self.plan_hash or decided.at < (self.since or decided.at):
            return "plan"
        fell = self.fell.get(decided.user_id)
        return "role" if fell is not None and decided.at <= fell else ""


def fell(events: Iterable[Event]) -> Mapping[str, datetime]:
    """Whose approvals fell with their role, and when last; who may approve again approves anew."""
    return {str(each.details.get("user")): each.at for each in events if each.name == FELL}


def tally(decisions: Iterable[Decided], void: Void, needed: int) -> Tally:
    """Count the approvals of a plan.

    Args:
        decisions: All of the migration, oldest first.
        void: Which of them do not count.
        needed: How many it takes.
    """
    counted = (
        each.user_id for each in decisions if each.verdict is Word.APPROVED and not void.why(each)
    )
    return Tally(tuple(dict.fromkeys(counted)), needed)


def describe(person: Standing, places: Iterable[Place]) -> str:
    """The roles in which a person acts, as text for the audit trail: "Project Admin of acme/search"."""
    return " and ".join(dict.fromkeys(_one(person, place) for place in _sorted(places)))


def _needs_all(person: Standing, places: Iterable[Place]) -> Verdict:
    wanted = _sorted(places)
    missing = tuple(place for place in wanted if place not in person.roles)
    if missing:
        return Verdict(Reason.NO_ROLE, missing=missing)
    return Verdict(Reason.ALLOWED, describe(person, wanted))


def _needs_one(person: Standing, places: Iterable[Place]) -> Verdict:
    wanted = _sorted(places)
    held = tuple(place for place in wanted if place in person.roles)
    if not held:
        return Verdict(Reason.NO_ROLE, missing=wanted)
    return Verdict(Reason.ALLOWED, describe(person, held))


def _sorted(places: Iterable[Place]) -> tuple[Place, ...]:
    return tuple(sorted(set(places)))


def _one(person: Standing, place: Place) -> str:
    role = person.roles[place]
    owned = place.organization if role is Role.ORGANIZATION_OWNER else str(place)
    return f"{role} of {owned}"

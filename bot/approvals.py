"""Who may request, approve, reject, cancel: pure decisions, each with its reason.

They are made again at every click, from the roles of that moment. Nothing here asks Slack, the ledger or a clock.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from bot.settings import Place, Policy


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
    ALREADY_APPROVED = "already_approved"
    ALREADY_REJECTED = "already_rejected"
    ALREADY_CANCELED = "already_canceled"
    ALREADY_CANCELING = "already_canceling"
    EXPIRED = "expired"
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


def may_resume(person: Standing, places: Iterable[Place]) -> Verdict:
    """Whether a person may let an approved migration go on: a role in each project."""
    return _needs_all(person, places)


def can_be_approved(
    eligible: Iterable[Standing], places: Iterable[Place], requester: str, policy: Policy
) -> Verdict:
    """Whether anyone at all can approve a request; said before anything is planned, not found out by waiting."""
    everywhere = tuple(places)
    able = (may_approve(person, everywhere, requester, policy).allowed for person in eligible)
    return Verdict(Reason.ALLOWED if any(able) else Reason.NOBODY_CAN_APPROVE)


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

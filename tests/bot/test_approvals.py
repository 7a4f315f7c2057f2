"""Who may request, approve, reject and cancel."""

from collections.abc import Callable

import pytest

from bot.approvals import (
    Reason,
    Role,
    Standing,
    Verdict,
    can_be_approved,
    describe,
    may_approve,
    may_cancel,
    may_reject,
    may_request,
    may_resume,
)
from bot.settings import Place, Policy

SEARCH, RESEARCH, OTHER = Place("acme", "search"), Place("acme", "research"), Place("zeta", "main")
STRICT, LAX = Policy(), Policy(requester_may_approve=True)
ADMIN, OWNER = Role.PROJECT_ADMIN, Role.ORGANIZATION_OWNER


def person(user_id: str = "U1", **roles: Role) -> Standing:
    """A person with roles by project name."""
    places = {"search": SEARCH, "research": RESEARCH, "other": OTHER}
    return Standing(user_id, {places[name]: role for name, role in roles.items()})


@pytest.mark.parametrize("decide", [may_request, may_resume])
def test_a_role_is_needed_in_both_projects(decide: Callable[..., Verdict]) -> None:
    """Who has a role in one of two projects only is refused, and told for which one it is missing."""
    verdict = decide(person(search=ADMIN), (SEARCH, OTHER))
    assert (verdict.reason, verdict.missing) == (Reason.NO_ROLE, (OTHER,))
    assert decide(person(search=ADMIN, other=OWNER), (SEARCH, OTHER)).allowed


def test_across_organizations_both_must_agree_to_an_approval() -> None:
    """An owner of one organization cannot approve alone what leaves it for another."""
    assert may_approve(person(search=OWNER), (SEARCH, OTHER), "U2", STRICT).reason is Reason.NO_ROLE
    assert may_approve(person(search=OWNER, other=ADMIN), (SEARCH, OTHER), "U2", STRICT).allowed


def test_the_requester_may_not_approve() -> None:
    """The person who asked is refused as approver, with that reason."""
    verdict = may_approve(person("U1", search=OWNER), (SEARCH,), "U1", STRICT)
    assert verdict.reason is Reason.OWN_REQUEST


def test_policy_can_let_the_requester_approve() -> None:
    """Where policy says so, the person who asked may approve."""
    assert may_approve(person("U1", search=OWNER), (SEARCH,), "U1", LAX).allowed


def test_a_missing_role_is_told_before_self_approval() -> None:
    """A requester whose role was withdrawn is told of the role, not of the other rule."""
    assert may_approve(person("U1"), (SEARCH,), "U1", STRICT).reason is Reason.NO_ROLE


def test_one_side_can_say_no() -> None:
    """A role in one of the projects is enough to reject; none is not."""
    assert may_reject(person(other=ADMIN), (SEARCH, OTHER)).allowed
    assert may_reject(person(research=ADMIN), (SEARCH, OTHER)).reason is Reason.NO_ROLE


def test_the_requester_may_always_cancel() -> None:
    """Who asked may cancel without any role; so may a role in one project; others may not."""
    assert may_cancel(person("U1"), (SEARCH,), "U1").allowed
    assert may_cancel(person("U2", search=ADMIN), (SEARCH, OTHER), "U1").allowed
    assert may_cancel(person("U3", research=ADMIN), (SEARCH, OTHER), "U1").reason is Reason.NO_ROLE


def test_a_request_that_nobody_can_approve_is_found_out() -> None:
    """A request is refused when its only possible approver is the person who asks."""
    alone = [person("U1", search=OWNER), person("U2", research=ADMIN)]
    assert can_be_approved(alone, (SEARCH,), "U1", STRICT).reason is Reason.NOBODY_CAN_APPROVE
    assert can_be_approved(alone, (SEARCH,), "U1", LAX).allowed
    assert can_be_approved([*alone, person("U3", search=ADMIN)], (SEARCH,), "U1", STRICT).allowed


def test_a_role_is_described_for_the_trail() -> None:
    """The trail names the roles by what they are of."""
    acted = person(search=OWNER, other=ADMIN)
    assert (
        describe(acted, (SEARCH, OTHER))
        == "Organization Owner of acme and Project Admin of zeta/main"
    )

"""Who may request, approve, reject and cancel."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bot.approvals import (
    Reason,
    Role,
    Standing,
    Verdict,
    Void,
    describe,
    may_approve,
    may_break_glass,
    may_cancel,
    may_freeze,
    may_reject,
    may_request,
    may_resume,
    may_thaw,
    tally,
)
from bot.ledger import Decided
from bot.ledger import Verdict as Word
from bot.settings import Place, Policy

SEARCH, RESEARCH, OTHER = Place("acme", "search"), Place("acme", "research"), Place("zeta", "main")
STRICT, LAX = Policy(), Policy(requester_may_approve=True)
PUT_UP = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
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


def decided(user: str, minute: int, plan: str = "p1", word: Word = Word.APPROVED) -> Decided:
    """A decision, so many minutes after the request was put up."""
    return Decided(
        user_id=user,
        role="",
        verdict=word,
        plan_hash=plan,
        at=PUT_UP + timedelta(minutes=minute),
    )


def test_each_person_counts_once_and_only_for_this_plan() -> None:
    """Approvals of another plan, of before it was put up again, twice by one person, and by who lost the role do not count."""
    decisions = [
        decided("U1", -5),
        decided("U2", 1, plan="p0"),
        decided("U3", 2),
        decided("U3", 3),
        decided("U4", 4, word=Word.REJECTED),
        decided("U5", 5),
    ]
    void = Void("p1", PUT_UP, fell={})
    counted = tally(decisions, void, needed=3)
    assert (counted.counted, counted.open) == (("U3", "U5"), 1)
    assert counted.without({"U5"}).counted == ("U3",)
    assert tally(decisions, void, needed=1).open == 0


def test_an_approval_falls_with_its_givers_role_until_they_give_another() -> None:
    """What was approved until then does not count, what the same person approves afterwards does."""
    void = Void("p1", None, fell={"U1": PUT_UP + timedelta(minutes=2)})
    assert void.why(decided("U1", 1)) == "role"
    assert void.why(decided("U1", 1, plan="p0")) == "plan"
    assert void.why(decided("U1", 3)) == ""
    assert void.why(decided("U2", 1)) == ""


def test_stopping_everything_takes_any_role_and_going_on_takes_an_owner() -> None:
    """Any role anywhere may freeze; who did so, or an Organization Owner, may thaw; a role that is gone may nothing."""
    assert may_freeze(person("U1", research=ADMIN)).allowed
    assert may_freeze(person("U1")).reason is Reason.NO_ROLE
    assert may_thaw(person("U1", research=ADMIN), "U1").allowed
    assert may_thaw(person("U1", research=ADMIN), "U2").reason is Reason.OTHERS_FREEZE
    assert may_thaw(person("U1"), "U1").reason is Reason.NO_ROLE
    assert may_thaw(person("U3", other=OWNER), "U1").role == "Organization Owner of zeta"


def test_breaking_the_glass_takes_the_roles_but_no_second_person() -> None:
    """The requester may, with a role in each project; a role in one is not enough."""
    assert may_break_glass(person("U1", search=ADMIN, other=ADMIN), (SEARCH, OTHER)).allowed
    lacking = may_break_glass(person("U1", search=OWNER), (SEARCH, OTHER))
    assert (lacking.reason, lacking.missing) == (Reason.NO_ROLE, (OTHER,))


def test_a_role_is_described_for_the_trail() -> None:
    """The trail names the roles by what they are of."""
    acted = person(search=OWNER, other=ADMIN)
    assert (
        describe(acted, (SEARCH, OTHER))
        == "Organization Owner of acme and Project Admin of zeta/main"
    )

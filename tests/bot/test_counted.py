"""Approvals as Slack shows them: which count at the moment of a click, and that every message says the same number."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.notes import FELL
from bot.sandbox import words_of
from bot.settings import Policy, Settings
from bot.views.buttons import APPROVE
from engine.lifecycle import EventName, Status
from engine.model import Plan
from tests.bot.requests import posted
from tests.bot.story import ADMINS, GRACE, LINUS, OLGA, Story


@pytest.fixture
def story(story_of: Callable[[Settings], Story], quiet: Settings) -> Story:
    """The bot in the workspace, over clusters that are not there."""
    return story_of(quiet)


def count(story: Story, root: dict[str, Any], said: str) -> None:
    """Wait until the message counts so many approvals."""
    story.sandbox.wait_for(lambda: said in words_of(story.root(root)), 30, said)


def test_an_approver_who_left_the_group_a_moment_ago_counts_no_more(
    story: Story, plan_for: Callable[..., Plan]
) -> None:
    """Grace approves and is taken out of the group; Olga's click finds that out: 1 of 2 in thread and message, and it waits."""
    story.restart(policy=Policy(approvals=2))
    root = posted(story, plan_for())
    story.sandbox.user(GRACE).click(root, APPROVE)
    story.wait_for_reply(root, f"Approved by <@{GRACE}> (Project Admin of acme/search), 1 of 2")
    story.sandbox.set_usergroup(ADMINS, [LINUS])
    story.sandbox.user(OLGA).click(root, APPROVE)
    story.wait_for_reply(root, f"Approved by <@{OLGA}> (Project Admin of acme/search), 1 of 2")
    story.wait_for_reply(root, f"The approval of <@{GRACE}> does not count any more")
    count(story, root, "*Approvals:* 1 of 2")
    assert story.status(root) is Status.AWAITING_APPROVAL
    (fell,) = [row for row in story.ledger.audit() if row.act == FELL]
    assert GRACE in str(fell.details)
    story.sandbox.user(LINUS).click(root, APPROVE)
    story.wait_for_reply(root, f"Approved by <@{LINUS}>")
    assert story.events(root, EventName.APPROVE) == 1
    assert "may not approve any more" in words_of(story.root(root))


def test_who_comes_back_into_the_group_approves_again(
    story: Story, plan_for: Callable[..., Plan]
) -> None:
    """An approval that fell with its role does not rise again with it; its giver is let give another."""
    story.restart(policy=Policy(approvals=3))
    root = posted(story, plan_for())
    story.sandbox.user(GRACE).click(root, APPROVE)
    story.wait_for_reply(root, "1 of 3")
    story.sandbox.set_usergroup(ADMINS, [])
    story.sandbox.user(OLGA).click(root, APPROVE)
    story.wait_for_reply(root, "does not count any more")
    story.sandbox.set_usergroup(ADMINS, [GRACE])
    story.sandbox.user(GRACE).click(root, APPROVE)
    story.wait_for_reply(root, "2 of 3")
    count(story, root, "*Approvals:* 2 of 3")


def test_what_has_enough_approvals_after_the_policy_was_lowered_starts_with_the_next_click(
    story: Story, plan_for: Callable[..., Plan]
) -> None:
    """One of two approvals is there and now one is enough: whoever approved may approve again, and it is queued."""
    story.restart(policy=Policy(approvals=2))
    root = posted(story, plan_for())
    story.sandbox.user(GRACE).click(root, APPROVE)
    story.wait_for_reply(root, "1 of 2")
    story.restart(policy=Policy(approvals=1))
    story.sandbox.user(GRACE).click(root, APPROVE)
    story.wait_for_reply(root, "It starts as soon as a worker is free")
    assert story.events(root, EventName.APPROVE) == 1

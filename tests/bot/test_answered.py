"""Whatever Slack or the bot fails at, what a person did takes effect or is answered; over a real socket, nothing is copied."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.sandbox import words_of
from bot.settings import Settings
from bot.views.buttons import APPROVE
from engine.lifecycle import EventName
from engine.model import Plan
from tests.bot.requests import waiting
from tests.bot.story import CHANNEL, GRACE, Story


@pytest.fixture
def story(story_of: Callable[[Settings], Story], quiet: Settings) -> Story:
    """The bot in the workspace, over clusters that are not there."""
    return story_of(quiet)


def posted(story: Story, plan: Plan, **given: Any) -> dict[str, Any]:
    """The message of a request that waits for approval."""
    migration = waiting(story.ledger, plan=plan, **given)

    def root() -> dict[str, Any] | None:
        messages = story.sandbox.messages(CHANNEL)
        return next((m for m in messages if migration.id in words_of(m)), None)

    return story.sandbox.wait_for(root, 60, "the message")


@pytest.mark.parametrize(
    "wrong", [{"error": "internal_error"}, {"status": 500}, {"retry_after": 9}]
)
def test_the_first_click_after_a_start_counts_whatever_slack_answers(
    story: Story, plan_for: Callable[..., Plan], wrong: dict[str, Any]
) -> None:
    """Nothing is asked of Slack before a click is worked on: a bot that was started a moment ago loses none to Slack's faults."""
    root = posted(story, plan_for())
    story.restart()
    story.sandbox.fail_next("auth.test", times=9, **wrong)
    story.sandbox.user(GRACE).click(root, APPROVE)
    story.wait_for_reply(root, "Approved by", 20)
    assert story.events(root, EventName.APPROVE) == 1

"""Whatever Slack or the bot fails at, what a person did takes effect or is answered; over a real socket, nothing is copied."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.sandbox import words_of
from bot.settings import Policy, Settings
from bot.views import break_glass, details, freeze
from bot.views.buttons import APPROVE, BREAK_GLASS, DETAILS
from engine.lifecycle import EventName
from engine.model import Plan
from tests.bot.requests import posted
from tests.bot.story import ADA, ALARM, CHANNEL, GRACE, LINUS, OLGA, PRIVATE, Story


@pytest.fixture
def story(story_of: Callable[[Settings], Story], quiet: Settings) -> Story:
    """The bot in the workspace, over clusters that are not there."""
    return story_of(quiet)


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


def calls(story: Story) -> list[str]:
    """The methods of Slack that were called since the bot was started."""
    methods = [call.method for call in story.sandbox.journal.calls()]
    return methods[len(methods) - methods[::-1].index("apps.connections.open") :]


def test_a_command_that_came_too_late_is_answered_where_the_bot_is_no_member(story: Story) -> None:
    """The form could not be opened in time: Linus reads that, and what to do, in his private channel, where he typed."""
    story.sandbox.timing.trigger = 0.0
    assert story.sandbox.user(LINUS).command("/migrate", channel=PRIVATE)
    told = story.sandbox.user(LINUS).wait_for_ephemeral(PRIVATE, "Ferry was too late")
    assert "Nothing was changed. Do it again." in words_of(told)


def test_what_fails_after_a_dialog_was_closed_is_told_in_person(story: Story) -> None:
    """Olga freezes, and Slack does not draw her tab: that it was done comes as a direct message."""
    olga = story.sandbox.user(OLGA)
    olga.open_home()
    story.sandbox.wait_for(lambda: "as of" in words_of(olga.home or {}), 30, "the tab")
    olga.click("home", freeze.FREEZE)
    olga.wait_for_view(freeze.CALLBACK_ID)
    story.sandbox.fail_next("views.publish", "internal_error")
    assert olga.submit() is None
    story.told_directly(OLGA, "Frozen: nothing starts")


def test_a_dialog_whose_listener_fails_is_answered_in_person(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw, after the dialog was closed: a direct message with the number under which it is logged."""
    olga = story.sandbox.user(OLGA)
    olga.open_home()
    story.sandbox.wait_for(lambda: "as of" in words_of(olga.home or {}), 30, "the tab")
    olga.click("home", freeze.FREEZE)
    olga.wait_for_view(freeze.CALLBACK_ID)

    def unforeseen(*_: object) -> None:
        raise LookupError("unforeseen")

    monkeypatch.setattr(freeze, "asked_reason", unforeseen)
    assert olga.submit() is None
    said = story.told_directly(OLGA, "Ferry itself failed over this (number ")
    assert "unforeseen" not in said


def test_details_open_before_slack_is_asked_anything(
    story: Story, plan_for: Callable[..., Plan]
) -> None:
    """The window opens first, without a link; it stays when Slack does not tell the link, and has it when Slack does."""
    root = posted(story, plan_for())
    story.restart()
    linus = story.sandbox.user(LINUS)
    story.sandbox.fail_next("chat.getPermalink", "internal_error")
    linus.click(root, DETAILS)
    seen = linus.wait_for_view(details.CALLBACK_ID)
    assert "Put up for approval" in words_of(seen)
    story.sandbox.wait_for(lambda: "chat.getPermalink" in calls(story), 30, "the link asked for")
    asked = [method for method in calls(story) if method in {"views.open", "chat.getPermalink"}]
    assert asked == ["views.open", "chat.getPermalink"]
    linus.close()
    linus.click(root, DETAILS)
    story.sandbox.wait_for(lambda: "Open its thread" in words_of(linus.view or {}), 30, "the link")


def test_the_glass_opens_before_roles_are_asked(
    story: Story, plan_for: Callable[..., Plan]
) -> None:
    """The window opens at once; Ada gets the form in it, Linus the refusal."""
    story.restart(policy=Policy(break_glass_channel=ALARM))
    root = posted(story, plan_for())
    story.restart()
    linus = story.sandbox.user(LINUS)
    linus.click(root, BREAK_GLASS)
    story.sandbox.wait_for(
        lambda: "You may not do this" in words_of(linus.view or {}), 30, "the refusal"
    )
    asked = calls(story)
    assert asked.index("views.open") < asked.index("usergroups.users.list")
    ada = story.sandbox.user(ADA)
    ada.click(root, BREAK_GLASS)
    ada.wait_for_view(break_glass.CALLBACK_ID)


def test_a_doubled_click_opens_one_window_and_is_not_answered_with_a_failure(
    story: Story, plan_for: Callable[..., Plan]
) -> None:
    """Slack delivers a click on View Details twice: the window is there once, and nobody is told of a failure."""
    root = posted(story, plan_for())
    story.sandbox.duplicate_next_envelope()
    linus = story.sandbox.user(LINUS)
    linus.click(root, DETAILS)
    linus.wait_for_view(details.CALLBACK_ID)
    story.sandbox.wait_for(lambda: calls(story).count("views.open") == 2, 30, "both opened")
    story.stop()
    assert linus.ephemerals(CHANNEL) == []
    assert story.sandbox.messages(story.sandbox.direct_channel(LINUS)) == []

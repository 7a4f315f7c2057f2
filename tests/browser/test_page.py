"""The sandbox page outside modals: channels, commands, threads, private answers, clicks, looks."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from bot.demo.clusters import free_ports
from bot.sandbox import Sandbox, WorkspaceConfig
from tests.browser.conftest import WORKSPACE
from tests.browser.kitchen import Kitchen

pytestmark = pytest.mark.browser
Opened = Callable[..., Page]
Kept = Callable[[Page, str], Any]


@pytest.fixture
def kept_port() -> Iterator[Sandbox]:
    """The workspace at a port that no connection is given meanwhile, so that it can come back there."""
    with Sandbox(WorkspaceConfig.model_validate(WORKSPACE), port=free_ports(1)[0]) as sandbox:
        yield sandbox


def say(page: Page, line: str) -> None:
    """Type a line into the channel's composer and send it with Enter."""
    box = page.get_by_role("textbox", name="Message #general")
    box.press_sequentially(line)
    box.press("Enter")


def test_page_shows_the_workspace(as_user: Opened) -> None:
    """The page opens on the address's channel as the address's person, with channels and people in sight."""
    page = as_user("U1")
    expect(page.get_by_role("heading", name="Bistro")).to_be_visible()
    expect(page.get_by_role("radio", name="Ada Lovelace")).to_be_checked()
    expect(page.get_by_role("link", name="random")).to_be_visible()
    expect(page.get_by_role("log", name="Messages in #general")).to_be_visible()


def test_slash_opens_the_commands(as_user: Opened, screenshot: Kept) -> None:
    """A slash lists the app's commands with their hints; Enter on a part of a name completes it."""
    page = as_user("U1")
    box = page.get_by_role("textbox", name="Message #general")
    box.press_sequentially("/")
    commands = page.get_by_role("listbox", name="Slash commands")
    expect(commands.get_by_role("option")).to_have_count(3)
    expect(commands.get_by_role("option", name="/post")).to_contain_text("[replies]")
    screenshot(page, "page-commands")
    box.press_sequentially("po")
    box.press("Enter")
    expect(box).to_have_value("/post ")


def test_unknown_command_is_named(as_user: Opened) -> None:
    """A command that no app has is answered by Slackbot, to this person only."""
    page = as_user("U1")
    say(page, "/nothing")
    answer = page.get_by_role("article").last
    expect(answer).to_contain_text("Only visible to you")
    expect(answer).to_contain_text("/nothing is not a valid command")


def test_message_reaches_the_others(as_user: Opened) -> None:
    """What one person writes appears for another with formatting, and nothing in it becomes markup."""
    grace, ada = as_user("U2"), as_user("U1")
    say(ada, "see *bold* `code` <b>tag</b> @grace :x:")
    message = grace.get_by_role("article").last
    expect(message.locator("b")).to_have_text("bold")
    expect(message.locator("code")).to_have_text("code")
    expect(message).to_contain_text("<b>tag</b> @Grace Hopper")
    expect(message.get_by_role("img", name="x", exact=True)).to_be_visible()


def test_private_answer_is_private(as_user: Opened) -> None:
    """An ephemeral message is marked as such and stands on the page of its one reader only."""
    grace, ada = as_user("U2"), as_user("U1")
    say(ada, "/quiet")
    expect(ada.get_by_text("Only visible to you")).to_be_visible()
    say(ada, "said aloud")
    expect(grace.get_by_text("said aloud")).to_be_visible()
    expect(grace.get_by_text("Only you hear this.")).to_have_count(0)


def test_thread_opens_beside(as_user: Opened, screenshot: Kept) -> None:
    """The link under a root opens its replies in a panel, where a plain reply can be written."""
    page = as_user("U1")
    say(page, "/post first,second")
    page.get_by_role("button", name="2 replies").click()
    thread = page.get_by_role("complementary", name="Thread")
    expect(thread.get_by_role("article")).to_have_count(3)
    box = thread.get_by_role("textbox", name="Reply in thread")
    box.fill("third")
    box.press("Enter")
    expect(thread.get_by_role("article").last).to_contain_text("third")
    expect(page.get_by_role("button", name="3 replies")).to_be_visible()
    screenshot(page, "page-thread")
    again = as_user("U2", query="&" + page.url.split("?")[1].split("&", 1)[1])
    expect(again.get_by_role("complementary", name="Thread")).to_contain_text("second")


def test_confirm_dialog_holds_the_click(as_user: Opened, bistro: Sandbox, kitchen: Kitchen) -> None:
    """A button with a confirm dialog sends nothing when the person keeps it, and its value when they confirm."""
    page = as_user("U1")
    say(page, "/post")
    button = page.get_by_role("button", name="Cancel booking")
    dialog = page.get_by_role("dialog", name="Cancel the booking?")
    button.click()
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_be_hidden()
    button.click()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert kitchen.clicked == []
    button.click()
    dialog.get_by_role("button", name="Give away").click()
    bistro.wait_for(lambda: [click["value"] for click in kitchen.clicked] == ["table 7"])


def test_click_under_way_is_sent_once(as_user: Opened, kitchen: Kitchen, screenshot: Kept) -> None:
    """A button is off while its click is under way, and the edited message keeps its place without an edited mark."""
    page = as_user("U1")
    say(page, "/post")
    kitchen.gate.clear()
    button = page.get_by_role("button", name="Take")
    before = page.get_by_role("article").last.bounding_box()
    button.click()
    expect(button).to_be_disabled()
    button.click(force=True)
    screenshot(page, "page-click")
    kitchen.gate.set()
    expect(page.get_by_text("Taken")).to_be_visible()
    expect(button).to_have_count(0)
    assert len(kitchen.clicked) == 1
    assert page.get_by_text("(edited)").count() == 0
    after = page.get_by_role("article").last.bounding_box()
    assert before
    assert after
    assert after["x"] == before["x"]


def test_elsewhere_is_announced(as_user: Opened) -> None:
    """A message in another channel shows a badge and a toast, and a click on the toast leads there."""
    ada, grace = as_user("U1"), as_user("U2", channel="C2")
    box = grace.get_by_role("textbox", name="Message #random")
    box.fill("lunch is ready")
    box.press("Enter")
    expect(ada.get_by_role("link", name="random")).to_contain_text("1")
    ada.get_by_role("status", name="Notifications").get_by_text("lunch is ready").click()
    expect(ada.get_by_role("heading", name="random").first).to_be_visible()
    expect(ada.get_by_label("1 unread")).to_have_count(0)


def test_acting_as_another(as_user: Opened) -> None:
    """Choosing another person shows the same channel as that person and keeps it in the address."""
    page = as_user("U1")
    page.get_by_role("radio", name="Grace Hopper").click()
    expect(page.get_by_role("radio", name="Grace Hopper")).to_be_checked()
    expect(page.get_by_text("Acting as Grace Hopper")).to_be_visible()
    assert "user=U2&channel=C1" in page.url
    page.go_back()
    expect(page.get_by_text("Acting as Ada Lovelace")).to_be_visible()


def test_home_tab(as_user: Opened, screenshot: Kept) -> None:
    """Opening the app shows the Home tab that it publishes for this person."""
    page = as_user("U1")
    page.get_by_role("link", name="Kitchen").last.click()
    expect(page.get_by_role("heading", name="Tables today")).to_be_visible()
    screenshot(page, "page-home")


def test_lost_connection_is_said(kept_port: Sandbox, browser_page: Opened) -> None:
    """A banner stands while the sandbox cannot be reached; it goes by itself and the draft is still there."""
    bistro = kept_port
    page = browser_page(f"{bistro.url}?user=U1&channel=C1")
    box = page.get_by_role("textbox", name="Message #general")
    box.fill("a draft")
    bistro.stop()
    banner = page.get_by_role("alert")
    expect(banner).to_contain_text("The connection to the sandbox is lost.")
    box.press("Enter")
    expect(page.get_by_text("Not sent: the sandbox cannot be reached")).to_be_visible()
    with Sandbox(bistro.config, port=int(bistro.url.rstrip("/").rpartition(":")[2])):
        expect(page.get_by_text("The connection to the sandbox is lost.")).to_have_count(0)
        expect(box).to_have_value("a draft")
        box.press("Enter")
        expect(page.get_by_role("article").last).to_contain_text("a draft")


def test_unknown_person_falls_back(bistro: Sandbox, browser_page: Opened) -> None:
    """An address that names nobody of the workspace opens it as the first person, and says so when no app runs."""
    page = browser_page(f"{bistro.url}?user=U404&channel=C404")
    expect(page.get_by_text("Acting as Ada Lovelace")).to_be_visible()
    expect(page.get_by_text("Kitchen is not connected")).to_be_visible()
    assert page.url.endswith("?user=U1&channel=C1")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_looks(as_user: Opened, screenshot: Kept, dark: bool) -> None:
    """The page follows the system's light or dark wish until the person switches; both are kept as pictures."""
    page = as_user("U1", dark=dark)
    say(page, "/post first,second,third")
    page.get_by_role("button", name="3 replies").click()
    expect(page.get_by_role("complementary", name="Thread")).to_contain_text("third")
    screenshot(page, f"page-{'dark' if dark else 'light'}")
    paper = "getComputedStyle(document.querySelector('.pane')).backgroundColor"
    assert page.evaluate(paper) == ("rgb(26, 29, 33)" if dark else "rgb(255, 255, 255)")
    page.get_by_role("button", name="Use light colours" if dark else "Use dark colours").click()
    assert page.evaluate(paper) == ("rgb(255, 255, 255)" if dark else "rgb(26, 29, 33)")

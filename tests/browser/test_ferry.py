"""Ferry in the browser, as someone who tries the demo meets it: typed, clicked and read in Chromium."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from bot.demo.people import SOURCE, TARGET
from bot.demo.world import World, world
from engine.crashpoints import CRASH_AT, CRASH_SIGNAL
from engine.worker import LEASE_SECONDS

pytestmark = pytest.mark.browser

MIGRATION_MS = 90_000
SCALE = 0.2
"""Of the demo's collections; `tests/demo` plays it whole."""

PAUSED = {CRASH_AT: "copied:1", CRASH_SIGNAL: "SIGSTOP", LEASE_SECONDS: "120"}
"""The worker pauses itself when the first collection is copied, so that the page can be seen while the migration runs."""


@pytest.fixture(scope="module")
def demo() -> Iterator[World]:
    """The demo's own world: two Milvus Lite clusters, the workspace, the bot. Its workers pause themselves once."""
    with pytest.MonkeyPatch.context() as patch, world(scale=SCALE) as running:
        for name, value in PAUSED.items():
            patch.setenv(name, value)
        # Slack's three seconds are too few for a machine that also runs Chromium and a migration.
        running.sandbox.timing.ack = running.sandbox.timing.trigger = 60.0
        yield running


@pytest.mark.timeout(400)
def test_a_migration_typed_and_clicked_in_the_page_ends_verified(
    demo: World,
    browser_page: Callable[..., Page],
    screenshot: Callable[[Page, str], Path],
) -> None:
    """/migrate typed, the modal filled in, refused to Linus, approved by Grace: the thread ends SUCCESSFUL."""
    page = browser_page(demo.sandbox.url, width=1440, height=1000)
    act_as(page, "Ada")
    fill_in(page, screenshot)
    expect(article(page)).to_contain_text("waiting for approval", timeout=MIGRATION_MS)
    screenshot(page, "ferry-plan")

    act_as(page, "Linus")
    press_approve(page)
    expect(page.get_by_role("log")).to_contain_text("Only visible to you")
    expect(article(page)).to_contain_text("waiting for approval")
    screenshot(page, "ferry-refused")

    act_as(page, "Grace")
    press_approve(page)
    expect(article(page)).to_contain_text("Approved by", timeout=MIGRATION_MS)
    page.get_by_role("button", name=re.compile("repl")).first.click()
    thread = page.get_by_role("complementary", name="Thread")
    expect(thread.get_by_role("button", name="Cancel migration").first).to_be_visible(
        timeout=MIGRATION_MS
    )
    screenshot(page, "ferry-running")
    let_go(demo)
    expect(thread).to_contain_text("proved equal on both sides", timeout=MIGRATION_MS)
    expect(thread.get_by_role("table").last).to_contain_text("VERIFIED", timeout=MIGRATION_MS)
    expect(article(page)).to_contain_text("SUCCESSFUL")
    screenshot(page, "ferry-thread")


def let_go(demo: World) -> None:
    """Continues the worker, once it has paused itself."""
    (migration,) = demo.bot.ledger.migrations()
    assert migration.lease_owner is not None
    worker = psutil.Process(int(migration.lease_owner.split(":")[1]))
    paused = psutil.STATUS_STOPPED
    demo.sandbox.wait_for(lambda: worker.status() == paused, MIGRATION_MS / 1000, "the pause")
    worker.resume()


def act_as(page: Page, name: str) -> None:
    """Switches the person who acts."""
    page.get_by_role("radio", name=name).check(force=True)
    expect(page.get_by_text(f"Acting as {name}")).to_be_visible()


def fill_in(page: Page, screenshot: Callable[[Page, str], Path]) -> None:
    """Types the command, fills in the modal by typing, and submits it."""
    composer = page.get_by_role("textbox", name="Message #migrations")
    composer.press_sequentially("/migrate")
    composer.press("Enter")
    modal = page.get_by_role("dialog", name="Migrate a database")
    choose(page, modal, "Source cluster", SOURCE)
    database = modal.get_by_role("combobox", name="Source database")
    expect(database).to_have_value("default", timeout=MIGRATION_MS)  # the only one is filled in
    choose(page, modal, "Source database", "default")
    choose(page, modal, "Target cluster", TARGET)
    modal.get_by_role("textbox", name="Reason").fill("The new cluster takes over tonight.")
    screenshot(page, "ferry-modal")
    reshape(page, modal, screenshot)
    modal.get_by_role("button", name="Request migration").click()
    page.get_by_role("dialog").get_by_role("button", name="Done").click(timeout=MIGRATION_MS)


def reshape(page: Page, modal: Locator, screenshot: Callable[[Page, str], Path]) -> None:
    """Chooses what has the form show more, and takes it back; what was typed stays, and so does the focus."""
    throttle = modal.get_by_role("textbox", name="Throttle")
    throttle.press_sequentially("500000")
    at = modal.get_by_label("Start at")
    modal.get_by_role("radio", name="At a time").check(force=True)
    expect(at).not_to_have_value("")
    modal.get_by_role("radio", name="Replace").check(force=True)
    expect(modal).to_contain_text("Replace deletes.")
    throttle.focus()
    throttle.press("End")
    throttle.press_sequentially("0 entities/s")
    screenshot(page, "ferry-modal-options")
    modal.get_by_role("radio", name="Stop").check(force=True)
    expect(modal).not_to_contain_text(
        "Replace deletes."
    )  # what moves the form must not be under way
    modal.get_by_role("radio", name="As soon as it is approved").check(force=True)
    expect(at).to_have_count(0)
    expect(throttle).to_have_value("5000000 entities/s")
    reason = modal.get_by_role("textbox", name="Reason")
    expect(reason).to_have_value("The new cluster takes over tonight.")


def choose(page: Page, modal: Locator, label: str, value: str) -> None:
    """Searches an option by typing and takes it."""
    box = modal.get_by_role("combobox", name=label)
    box.click()
    box.press_sequentially(value)
    page.get_by_role("option", name=value).first.click()
    expect(box).to_have_value(value)


def press_approve(page: Page) -> None:
    """Clicks Approve and says yes to its question."""
    page.get_by_role("log").get_by_role("button", name="Approve").first.click()
    page.get_by_role("dialog", name="Approve this migration?").get_by_role(
        "button", name="Approve"
    ).click()


def article(page: Page) -> Locator:
    """The request's message in the channel."""
    return page.get_by_role("log").get_by_role("article").first

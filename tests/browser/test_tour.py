"""The tour of docs/tour.md: the demo as a new user meets it in Chromium, a picture of each step under artefacts/tour/."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from bot.demo.people import SOURCE
from bot.demo.world import World, world
from engine.milvus.client import preparing_client
from tests.browser.conftest import ARTEFACTS
from tests.browser.test_ferry import MIGRATION_MS, act_as, article, choose, fill_in, press_approve

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.timeout(600)]

LOST = "id in [3, 5]"
"""Entities of `products` that someone deletes from the target after the migration."""

TO_THE_END = (
    "document.querySelectorAll('aside *').forEach(each => each.scrollTop = each.scrollHeight)"
)
"""The newest reply of the open thread is what a person would look at."""


@pytest.fixture(scope="module")
def demo() -> Iterator[World]:
    """The demo's own world: two Milvus Lite clusters, the workspace, the bot."""
    with world() as running:
        running.sandbox.timing.ack = running.sandbox.timing.trigger = 60.0
        yield running


@pytest.fixture
def picture(screenshot: Callable[[Page, str], Path]) -> Callable[[Page, str], None]:
    """`picture(page, name)` keeps what the page shows as the tour's next picture."""
    folder = ARTEFACTS / "tour"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def kept(page: Page, name: str) -> None:
        page.evaluate(TO_THE_END)
        screenshot(page, f"tour/{name}")

    return kept


def test_the_tour(
    demo: World, browser_page: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    """Requested, refused, approved, throttled, paused, resumed, proved, damaged, found, repaired, canceled, listed."""
    page = browser_page(demo.sandbox.url, width=1440, height=1000)
    requested(page, picture)
    migration = running(page, picture)
    rests_and_goes_on(page, migration, picture)
    proved(page, picture)
    damaged_and_repaired(page, demo, picture)
    canceled(page, picture)
    listed(page, picture)


def requested(page: Page, picture: Callable[[Page, str], None]) -> None:
    """Ada fills in the form; the plan is posted; Linus is refused."""
    act_as(page, "Ada")
    fill_in(page, lambda shown, _: picture(shown, "01-form"))
    expect(article(page)).to_contain_text("waiting for approval", timeout=MIGRATION_MS)
    picture(page, "02-plan")
    act_as(page, "Linus")
    press_approve(page)
    expect(page.get_by_role("log")).to_contain_text("Only visible to you")
    picture(page, "03-refused")


def running(page: Page, picture: Callable[[Page, str], None]) -> str:
    """Grace approves and slows the copy down; returns the migration's name."""
    act_as(page, "Grace")
    press_approve(page)
    expect(article(page)).to_contain_text("Approved by", timeout=MIGRATION_MS)
    migration = name_in(article(page))
    command(page, f"/migrate throttle {migration} 400")
    page.get_by_role("button", name=re.compile("repl")).first.click()
    expect(thread(page)).to_contain_text(re.compile(r"[1-9][\d,]* of [\d,]+ entities"))
    picture(page, "04-progress")
    return migration


def rests_and_goes_on(page: Page, migration: str, picture: Callable[[Page, str], None]) -> None:
    """Paused and resumed by button; the throttle is lifted."""
    press(page, "Pause")
    expect(article(page)).to_contain_text("· paused. ", timeout=MIGRATION_MS)
    picture(page, "05-paused")
    command(page, f"/migrate throttle {migration} off")
    press(page, "Resume")


def proved(page: Page, picture: Callable[[Page, str], None]) -> None:
    """The migration goes on where it was and ends proved."""
    expect(thread(page)).to_contain_text("proved equal on both sides", timeout=MIGRATION_MS)
    expect(article(page)).to_contain_text("SUCCESSFUL", timeout=MIGRATION_MS)
    expect(last_reply(page)).to_contain_text("VERIFIED")
    picture(page, "06-proved")


def damaged_and_repaired(page: Page, demo: World, picture: Callable[[Page, str], None]) -> None:
    """Someone deletes entities on the target; verified again they are named, and Repair brings them back."""
    client = preparing_client(demo.target.uri)
    client.delete("products", filter=LOST)
    client.close()
    press(page, "Verify")
    expect(article(page)).to_contain_text("MISMATCHED", timeout=MIGRATION_MS)
    expect(last_reply(page)).to_contain_text("All findings")
    picture(page, "07-mismatch")
    press(page, "Repair")
    expect(article(page)).to_contain_text("SUCCESSFUL", timeout=MIGRATION_MS)
    expect(last_reply(page)).to_contain_text("VERIFIED")
    picture(page, "08-repaired")


def canceled(page: Page, picture: Callable[[Page, str], None]) -> None:
    """A second migration, to a new cluster, is canceled from its thread while it copies."""
    act_as(page, "Ada")
    command(page, "/migrate")
    modal = page.get_by_role("dialog", name="Migrate a database")
    choose(page, modal, "Source cluster", SOURCE)
    modal.get_by_role("radio", name="New Cluster").check(force=True)
    modal.get_by_role("textbox", name="New cluster name").fill("search-rehearsal")
    modal.get_by_role("textbox", name="Reason").fill("A rehearsal.")
    expect(modal.get_by_role("combobox", name="Source database")).to_have_value("default")
    modal.get_by_role("button", name="Request migration").click()
    page.get_by_role("dialog").get_by_role("button", name="Done").click(timeout=MIGRATION_MS)
    request = page.get_by_role("log").first.get_by_role("article").filter(has_text="rehearsal")
    expect(request.first).to_contain_text("waiting for approval", timeout=MIGRATION_MS)
    act_as(page, "Grace")
    request.first.get_by_role("button", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    command(page, f"/migrate throttle {name_in(request.first)} 400")
    request.first.get_by_role("button", name=re.compile("repl")).click()
    expect(thread(page)).to_contain_text(re.compile(r"[1-9][\d,]* of [\d,]+ entities"))
    press(page, "Cancel migration")
    expect(request.first).to_contain_text("CANCELED", timeout=MIGRATION_MS)
    picture(page, "09-canceled")


def listed(page: Page, picture: Callable[[Page, str], None]) -> None:
    """Jobs in the Home tab."""
    page.get_by_role("link", name="Ferry").last.click()
    page.get_by_role("tab", name="Home").click()
    expect(page.get_by_role("main")).to_contain_text("CANCELED", timeout=MIGRATION_MS)
    picture(page, "10-jobs")


def name_in(message: Locator) -> str:
    """The name of the migration that a message is about."""
    found = re.search(r"M-[0-9A-Z]{7}", message.inner_text())
    assert found is not None
    return found[0]


def thread(page: Page) -> Locator:
    """The open thread."""
    return page.get_by_role("complementary", name="Thread")


def last_reply(page: Page) -> Locator:
    """The newest reply of the open thread: at the end the report, or the file that goes with it."""
    return thread(page).get_by_role("article").last


def command(page: Page, text: str) -> None:
    """Types a command in the channel and sends it."""
    composer = page.get_by_role("textbox", name="Message #migrations")
    composer.press_sequentially(text)
    composer.press("Enter")


def press(page: Page, name: str) -> None:
    """Presses a button of the thread and says yes to its question, if it asks one."""
    thread(page).get_by_role("button", name=name).first.click()
    page.get_by_role("dialog").get_by_role("button", name=name).click()

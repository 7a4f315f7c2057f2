"""Messages in the sandbox page: blocks, files, reactions, choices in messages, and edits that move nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from bot.sandbox import Sandbox
from tests.browser.kitchen import Kitchen, option, words

pytestmark = pytest.mark.browser
Opened = Callable[..., Page]
Kept = Callable[[Page, str], Any]


def cell(text: str) -> dict[str, Any]:
    """A plain table cell."""
    return {"type": "raw_text", "text": text}


def rich(*elements: dict[str, Any]) -> dict[str, Any]:
    """A rich_text block of one list."""
    items = [{"type": "rich_text_section", "elements": [element]} for element in elements]
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_list", "style": "ordered", "elements": items}],
    }


MENU = [
    {"type": "header", "text": words("Menu of the day")},
    {
        "type": "section",
        "fields": [{"type": "mrkdwn", "text": f"*Course {n}*\nsoup"} for n in "12"],
    },
    {
        "type": "table",
        "rows": [[cell("Dish"), cell("Price")], [cell("Stew"), cell("12")]],
        "column_settings": [{"align": "left"}, {"align": "right"}],
    },
    rich({"type": "text", "text": "Wash hands", "style": {"bold": True}}),
    {"type": "markdown", "text": "## Notes\n\n- **fresh** fish"},
    {"type": "image", "image_url": "https://images.invalid/a.png", "alt_text": "The cook"},
    {"type": "divider"},
    {"type": "context", "elements": [{"type": "mrkdwn", "text": ":warning: contains nuts"}]},
    {
        "type": "actions",
        "block_id": "choose",
        "elements": [
            {
                "type": "static_select",
                "action_id": "pick",
                "placeholder": words("Pick one"),
                "options": [option("Stew"), option("Soup")],
            },
            {
                "type": "overflow",
                "action_id": "menu",
                "options": [option("Print"), option("Share")],
            },
        ],
    },
]


def test_blocks_are_drawn(as_user: Opened, kitchen: Kitchen, screenshot: Kept) -> None:
    """Each layout block has its form: headings, tables with a head, lists, notes; a foreign picture is only named."""
    page = as_user("U1")
    kitchen.client.chat_postMessage(channel="C1", text="Menu", blocks=MENU)
    message = page.get_by_role("article").last
    expect(message.get_by_role("heading", name="Menu of the day")).to_be_visible()
    expect(message.get_by_role("columnheader")).to_have_text(["Dish", "Price"])
    expect(message.get_by_role("cell", name="12")).to_have_css("text-align", "right")
    expect(message.get_by_role("listitem")).to_have_text(["Wash hands", "fresh fish"])
    expect(message.get_by_role("heading", name="Notes")).to_be_visible()
    expect(message.get_by_role("img", name="The cook")).to_be_visible()
    expect(message.get_by_role("img", name="warning")).to_be_visible()
    screenshot(page, "message-blocks")


def test_unknown_block_is_named(as_user: Opened) -> None:
    """A block that the page cannot draw stands as a box with the name of its type."""
    drawn = as_user("U1").evaluate(
        """async () => {
          const [{ blocks }, { patch }] = [await import("/page/blocks.js"), await import("/page/dom.js")];
          const host = document.createElement("div");
          patch(host, blocks([{ type: "hologram", block_id: "b" }], { scope: "s" }));
          return [host.textContent, host.querySelector(".unknown") !== null];
        }"""
    )
    assert drawn == ["hologram: this page cannot show it yet", True]


def test_choices_in_messages_are_sent(
    as_user: Opened, bistro: Sandbox, kitchen: Kitchen, screenshot: Kept
) -> None:
    """A select and a menu in a message send what was chosen, by mouse and by keyboard."""
    page = as_user("U1")
    kitchen.client.chat_postMessage(channel="C1", text="Menu", blocks=MENU[-1:])
    page.get_by_role("combobox", name="Pick one").click()
    page.get_by_role("option", name="Soup").click()
    page.get_by_role("button", name="More actions").click()
    expect(page.get_by_role("menuitem")).to_have_text(["Print", "Share"])
    screenshot(page, "message-menu")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    bistro.wait_for(lambda: len(kitchen.clicked) == 2)
    assert [click["selected_option"]["value"] for click in kitchen.clicked] == ["soup", "share"]
    expect(page.get_by_role("combobox", name="Pick one")).to_have_value("Soup")


def test_file_opens_and_downloads(as_user: Opened, kitchen: Kitchen) -> None:
    """A file of the app stands beneath its message, opens in a new tab and can be saved."""
    page = as_user("U1")
    kitchen.client.files_upload_v2(
        channel="C1", content="dish,price\nstew,12\n", filename="menu.csv", title="The menu"
    )
    expect(page.get_by_text("CSV · 19 B")).to_be_visible()
    expect(page.get_by_role("link", name="Open The menu")).to_have_attribute("target", "_blank")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download The menu").click()
    assert saved.value.path().read_text() == "dish,price\nstew,12\n"
    assert saved.value.suggested_filename == "menu.csv"


def test_reactions_are_counted(as_user: Opened, kitchen: Kitchen) -> None:
    """A reaction stands beneath its message with the number of people who gave it."""
    page = as_user("U1")
    posted = kitchen.client.chat_postMessage(channel="C1", text="Good soup?")
    kitchen.client.reactions_add(channel="C1", timestamp=posted["ts"], name="+1")
    expect(page.get_by_title("Kitchen reacted with :+1:")).to_have_text("👍1")


def test_edits_move_nothing(as_user: Opened, kitchen: Kitchen) -> None:
    """While a message is edited and others arrive, a reader in the middle keeps their place and one at the end stays there."""
    page = as_user("U1")
    log = page.get_by_role("log", name="Messages in #general")
    lines = [f"line {n}" for n in range(40)]
    stamps = [kitchen.client.chat_postMessage(channel="C1", text=line)["ts"] for line in lines]
    expect(log.get_by_text("line 39")).to_be_visible()
    gap = "node => node.scrollHeight - node.scrollTop - node.clientHeight"
    assert log.evaluate(gap) < 2
    log.evaluate("node => { node.scrollTop = 200; }")
    reading = log.get_by_text("line 20", exact=True)
    before = reading.bounding_box()
    for n in range(5):
        kitchen.client.chat_update(channel="C1", ts=stamps[22], text=f"step {n}")
        kitchen.client.chat_postMessage(channel="C1", text=f"more {n}")
    expect(log.get_by_text("step 4")).to_be_attached()
    expect(log.get_by_text("more 4")).to_be_attached()
    assert reading.bounding_box() == before
    log.evaluate("node => { node.scrollTop = node.scrollHeight; }")
    kitchen.client.chat_update(channel="C1", ts=stamps[39], text="a\nlonger\ntext")
    expect(log.get_by_text("longer")).to_be_attached()
    assert log.evaluate(gap) < 2

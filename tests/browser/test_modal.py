"""Modals in the sandbox page: filled in as a person does it, with what the app receives in the end."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from bot.sandbox import Sandbox
from tests.browser.kitchen import Kitchen

pytestmark = pytest.mark.browser
Opened = Callable[..., Page]


def opened(page: Page) -> Locator:
    """The modal that /kitchen opens."""
    box = page.get_by_role("textbox", name="Message #general")
    box.press_sequentially("/kitchen")
    box.press("Enter")
    dialog = page.get_by_role("dialog", name="Book a table")
    expect(dialog).to_be_visible()
    return dialog


def choose(dialog: Locator, name: str, text: str) -> None:
    """Type into a combobox and take the option of that name."""
    box = dialog.get_by_role("combobox", name=name)
    box.click()
    box.press_sequentially(text[:3])
    dialog.get_by_role("option", name=text).click()


def fill_in(dialog: Locator) -> None:
    """Give every field of the modal a value, by mouse and keyboard."""
    dialog.get_by_role("textbox", name="Name").press_sequentially("Ada & Co")
    choose(dialog, "Town", "Antwerp")
    choose(dialog, "Dish", "Stew")
    choose(dialog, "Sides", "Salad")
    choose(dialog, "Sides", "Soup")
    choose(dialog, "Guest", "Grace Hopper")
    dialog.get_by_role("radio", name="Door").check()
    dialog.get_by_role("checkbox", name="Bread").check()
    dialog.get_by_role("checkbox", name="Wine").check()
    dialog.get_by_label("Day").fill("2026-11-23")
    dialog.get_by_label("Hour").fill("19:30")
    dialog.get_by_label("Moment").fill("2026-11-24T08:15")
    dialog.get_by_role("spinbutton", name="People").press_sequentially("4")
    dialog.get_by_role("textbox", name="Story").press_sequentially("one\ntwo")


def plain(state: dict[str, Any]) -> Any:
    """The value in an element's state; options by their value."""
    value = next(held for key, held in state.items() if key != "type")
    if isinstance(value, dict):
        return value["value"]
    return [plain({"": one}) for one in value] if isinstance(value, list) else value


def test_every_field_arrives(
    as_user: Opened, bistro: Sandbox, kitchen: Kitchen, screenshot: Any
) -> None:
    """Each kind of field, filled in by typing and clicking, reaches the app in state.values as Slack writes it."""
    page = as_user("U1")
    dialog = opened(page)
    fill_in(dialog)
    screenshot(page, "modal-filled")
    dialog.get_by_role("button", name="Book").click()
    expect(dialog).to_be_hidden()
    bistro.wait_for(lambda: len(kitchen.submitted) == 1)
    assert {name: plain(state) for name, state in kitchen.submitted[0].items()} == {
        "name": "Ada & Co",
        "town": "antwerp",
        "dish": "stew",
        "sides": ["salad", "soup"],
        "guest": "U2",
        "seat": "door",
        "extras": ["bread", "wine"],
        "day": "2026-11-23",
        "hour": "19:30",
        "moment": int(datetime(2026, 11, 24, 8, 15, tzinfo=UTC).timestamp()),
        "people": "4",
        "story": "one\ntwo",
    }


def test_missing_field_is_named(as_user: Opened, kitchen: Kitchen) -> None:
    """An empty required field is refused beneath it, is focused, and nothing is sent."""
    dialog = opened(as_user("U1"))
    dialog.get_by_role("button", name="Book").click()
    name = dialog.get_by_role("textbox", name="Name")
    expect(dialog.get_by_role("alert")).to_have_text("Please complete this required field.")
    expect(name).to_be_focused()
    expect(name).to_have_attribute("aria-invalid", "true")
    assert kitchen.submitted == []


def test_app_errors_stand_at_their_field(
    as_user: Opened, bistro: Sandbox, kitchen: Kitchen, screenshot: Any
) -> None:
    """An error of the app stands under its field with what was typed kept, and a mended form goes through."""
    page = as_user("U1")
    dialog = opened(page)
    name = dialog.get_by_role("textbox", name="Name")
    name.fill("Nobody")
    dialog.get_by_role("textbox", name="Story").fill("kept")
    dialog.get_by_role("button", name="Book").click()
    expect(dialog.get_by_role("alert")).to_have_text("We do not know Nobody.")
    expect(name).to_have_accessible_description("We do not know Nobody. As on the door")
    screenshot(page, "modal-error")
    name.fill("Somebody")
    dialog.get_by_role("button", name="Book").click()
    expect(dialog).to_be_hidden()
    bistro.wait_for(lambda: [plain(one["story"]) for one in kitchen.submitted] == ["kept"])


def test_typed_text_survives_an_update(as_user: Opened) -> None:
    """views.update leaves typed text, caret and choices alone where the ids stay, and resets a field with a new block_id."""
    page = as_user("U1")
    dialog = opened(page)
    name = dialog.get_by_role("textbox", name="Name")
    name.press_sequentially("Ada")
    choose(dialog, "Dish", "Stew")
    name.focus()
    name.evaluate("node => { node.setSelectionRange(1, 1); node.marked = true; }")
    dialog.get_by_role("button", name="Reload").evaluate("node => node.click()")
    expect(dialog.get_by_text("Second version")).to_be_visible()
    expect(name).to_have_value("Ada")
    expect(name).to_be_focused()
    assert name.evaluate("node => [node.marked, node.selectionStart]") == [True, 1]
    dialog.get_by_role("button", name="Reset name").evaluate("node => node.click()")
    expect(name).to_have_value("")
    expect(name).to_be_focused()  # its successor, for the next key
    expect(dialog.get_by_role("combobox", name="Dish")).to_have_value("Stew")


def test_others_do_not_disturb_typing(as_user: Opened) -> None:
    """Messages that arrive while a field is being typed into do not take a letter or the focus."""
    ada, grace = as_user("U1"), as_user("U2")
    name = opened(ada).get_by_role("textbox", name="Name")
    box = grace.get_by_role("textbox", name="Message #general")
    for letter in "undisturbed":
        name.press(letter)
        box.fill(f"noise {letter}")
        box.press("Enter")
    expect(grace.get_by_role("article")).to_have_count(11)
    expect(name).to_have_value("undisturbed")
    expect(name).to_be_focused()


def test_search_needs_its_minimum(as_user: Opened) -> None:
    """An external select asks for enough characters, then offers what the app finds, by keyboard alone."""
    dialog = opened(as_user("U1"))
    town = dialog.get_by_role("combobox", name="Town")
    town.press_sequentially("b")
    expect(dialog.get_by_text("Type at least 2 characters to search.")).to_be_visible()
    town.press_sequentially("er")
    expect(dialog.get_by_role("option")).to_have_text(["Bergen", "Berlin"])
    town.press("ArrowDown")
    town.press("Enter")
    expect(town).to_have_value("Berlin")
    expect(dialog).to_be_visible()
    town.press_sequentially("zz")
    expect(dialog.get_by_text("No matches.")).to_be_visible()
    town.press("Escape")
    expect(town).to_have_value("Berlin")


def test_options_that_did_not_come_are_asked_for_again(
    as_user: Opened, bistro: Sandbox, kitchen: Kitchen
) -> None:
    """A list that the app did not answer says so, and a click or Enter there asks once more."""
    assert kitchen
    page = as_user("U1")
    dialog = opened(page)
    town = dialog.get_by_role("combobox", name="Town")
    bistro.outage()
    town.press_sequentially("ber")
    expect(dialog.get_by_text("could not be loaded")).to_be_visible()
    with page.expect_response("**/sandbox/act") as asked_again:
        town.press("Enter")
    assert not asked_again.value.json()["ok"]
    bistro.outage(on=False)
    bistro.wait_for_app()
    dialog.get_by_role("button", name="Try again").click()
    expect(dialog.get_by_role("option")).to_have_text(["Bergen", "Berlin"])


def test_focus_stays_inside(as_user: Opened) -> None:
    """Tab goes round within the modal, Escape closes it, and the focus returns to where it was."""
    page = as_user("U1")
    dialog = opened(page)
    inside = "document.activeElement.closest('dialog') !== null"
    expect(dialog.get_by_role("textbox", name="Name")).to_be_focused()
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate(inside)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("textbox", name="Message #general")).to_be_focused()


def test_submission_under_way(as_user: Opened, bistro: Sandbox, kitchen: Kitchen) -> None:
    """While the app has not answered, the modal is busy and its button is off, so that it is submitted once."""
    page = as_user("U1")
    dialog = opened(page)
    dialog.get_by_role("textbox", name="Name").fill("Ada")
    kitchen.gate.clear()
    book = dialog.get_by_role("button", name="Book")
    book.click()
    expect(book).to_be_disabled()
    expect(dialog.locator("form")).to_have_attribute("aria-busy", "true")
    page.keyboard.press("Enter")
    kitchen.gate.set()
    expect(dialog).to_be_hidden()
    bistro.wait_for(lambda: kitchen.submitted)
    assert len(kitchen.submitted) == 1


def test_modal_is_its_persons_own(as_user: Opened) -> None:
    """A modal that one person opened does not stand on another's page, and is there again after a reload."""
    grace, ada = as_user("U2"), as_user("U1")
    dialog = opened(ada)
    dialog.get_by_role("textbox", name="Name").fill("Ada")
    dialog.get_by_role("textbox", name="Story").press("Tab")
    expect(grace.get_by_role("dialog")).to_have_count(0)
    with ada.expect_response(lambda answer: "soup" in (answer.request.post_data or "").lower()):
        choose(dialog, "Dish", "Soup")
    ada.reload()  # what the sandbox was not told yet would be gone
    expect(dialog.get_by_role("textbox", name="Name")).to_have_value("Ada")
    expect(dialog.get_by_role("combobox", name="Dish")).to_have_value("Soup")


def test_dark_modal_picture(as_user: Opened, screenshot: Any) -> None:
    """The filled modal is kept as a picture in dark colours."""
    page = as_user("U1", dark=True)
    dialog = opened(page)
    dialog.get_by_role("textbox", name="Name").fill("Nobody")
    choose(dialog, "Sides", "Stew")
    dialog.get_by_role("combobox", name="Dish").click()
    expect(dialog.get_by_role("option")).to_have_count(3)
    assert screenshot(page, "modal-dark").stat().st_size > 0

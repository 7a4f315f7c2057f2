"""The sandbox page on a window as wide as a phone: nothing lies over something else or is cut, and everything can be reached."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.kitchen import Kitchen

pytestmark = pytest.mark.browser

WIDTH, HEIGHT = 420, 800
WIDE = "document.documentElement.scrollWidth"


def box(part: Locator) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is shown."""
    found = part.bounding_box()
    assert found is not None
    return found["x"], found["y"], found["x"] + found["width"], found["y"] + found["height"]


def test_a_narrow_window_shows_all_parts_above_each_other(
    as_user: Callable[..., Page], kitchen: Kitchen, screenshot: Callable[[Page, str], object]
) -> None:
    """People, places and messages each take the whole width, one below the other, also beside an open thread and in Home."""
    assert kitchen
    page = as_user("U1")
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    message = page.get_by_role("textbox", name="Message #general")
    message.press_sequentially("/post first,second")
    message.press("Enter")
    parts = [page.get_by_role("navigation", name=name) for name in ("People", "Workspace")]
    main = page.get_by_role("main")
    expect(main.get_by_role("button", name="2 replies")).to_be_visible()
    stacked(page, *parts, main)
    screenshot(page, "narrow-channel")
    main.get_by_role("button", name="2 replies").click()
    stacked(page, *parts, page.get_by_role("complementary", name="Thread"))
    screenshot(page, "narrow-thread")
    page.get_by_role("link", name="Kitchen").last.click()
    expect(page.get_by_role("heading", name="Tables today")).to_be_visible()
    stacked(page, *parts, main)
    page.get_by_role("radio", name="Grace Hopper").click()
    expect(page.get_by_text("Acting as Grace Hopper")).to_be_visible()


def stacked(page: Page, *parts: Locator) -> None:
    """Each part begins where the one before it ends, and is as wide as the window, which is not scrolled sideways."""
    boxes = [box(part) for part in parts]
    assert [(left, right) for left, _, right, _ in boxes] == [(0, WIDTH)] * len(boxes)
    tops, bottoms = [top for _, top, _, _ in boxes], [bottom for *_, bottom in boxes]
    assert [0, *bottoms[:-1]] == pytest.approx(tops, abs=1)
    assert bottoms[-1] == pytest.approx(HEIGHT, abs=1)
    assert page.evaluate(WIDE) == WIDTH

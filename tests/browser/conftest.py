"""Chromium for the browser tests: pages that must not raise errors, and screenshots under artefacts/.

`browser_page(url)` and `screenshot(page, name)` know nothing of what the page shows; `as_user` opens a workspace
with the app of kitchen.py.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from bot.sandbox import Sandbox, Timing, WorkspaceConfig
from tests.browser.kitchen import Kitchen, serving

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
WAIT_MS = 60_000
"""A deadline for machines that do other things as well; what comes at once is not waited for."""
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session", autouse=True)
def _patient_expectations() -> None:
    """`expect` waits as long as the actions do."""
    expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def chromium(require: Callable[[str], NoReturn]) -> Iterator[Browser]:
    """A headless Chromium of this machine. Per module: Playwright's event loop must not outlive it in this thread."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    path = path or shutil.which("google-chrome")
    if path is None:
        require("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=2 * WAIT_MS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def blank_pages() -> list[Page]:
    """Pages of sessions of their own that no test uses now: a new one takes Chromium four times what it takes to go elsewhere."""
    return []


@pytest.fixture
def browser_page(chromium: Browser, blank_pages: list[Page]) -> Iterator[Callable[..., Page]]:
    """`browser_page(url, dark=False, width=1360, height=860)` opens a page of its own session.

    The test fails at its end when any page raised a script error or asked another host for something. What a page keeps it keeps
    for its address, which no other test has.
    """
    complaints: list[str] = []

    def broke(error: object) -> None:
        complaints.append(f"script error: {error}")

    with ExitStack() as stack:

        def opened(url: str, *, dark: bool = False, width: int = 1360, height: int = 860) -> Page:
            def asks(request: Request) -> None:
                if not request.url.startswith((origin, "about:", "data:", "blob:")):
                    complaints.append(f"asked another host: {request.url}")

            origin = "/".join(url.split("/")[:3])
            page = blank_pages.pop() if blank_pages else _new_page(chromium)
            stack.callback(blank_pages.append, page)
            for event, heard in (("pageerror", broke), ("request", asks)):
                page.on(event, heard)
                stack.callback(page.remove_listener, event, heard)
            stack.callback(page.goto, "about:blank")
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme="dark" if dark else "light")
            page.goto(url)
            return page

        yield opened
    assert complaints == []


def _new_page(chromium: Browser) -> Page:
    context = chromium.new_context(locale="en-US", timezone_id="UTC")
    context.set_default_timeout(WAIT_MS)
    return context.new_page()


@pytest.fixture
def screenshot() -> Callable[[Page, str], Path]:
    """`screenshot(page, name)` keeps what the page shows as artefacts/NAME.png."""
    ARTEFACTS.mkdir(exist_ok=True)

    def kept(page: Page, name: str) -> Path:
        path = ARTEFACTS / f"{name}.png"
        page.screenshot(path=path, animations="disabled")
        return path

    return kept


WORKSPACE = {
    "team_name": "Bistro",
    "users": [
        {"id": "U1", "name": "ada", "real_name": "Ada Lovelace"},
        {"id": "U2", "name": "grace", "real_name": "Grace Hopper"},
    ],
    "channels": [
        {"id": "C1", "name": "general", "members": ["U1", "U2", "UBOT"]},
        {"id": "C2", "name": "random", "members": ["U1", "U2", "UBOT"]},
    ],
    "apps": [
        {
            "name": "Kitchen",
            "bot_user": "UBOT",
            "commands": [
                {"command": "/kitchen", "description": "Book a table"},
                {"command": "/post", "description": "Post an offer", "usage_hint": "[replies]"},
                {"command": "/quiet", "description": "Say something to you alone"},
            ],
        }
    ],
}


@pytest.fixture
def bistro() -> Iterator[Sandbox]:
    """A workspace of two people, two channels and the app of kitchen.py, without the app."""
    patient = Timing(ack=30.0, trigger=30.0)
    with Sandbox(WorkspaceConfig.model_validate(WORKSPACE), timing=patient) as sandbox:
        yield sandbox


@pytest.fixture
def kitchen(bistro: Sandbox) -> Iterator[Kitchen]:
    """The app of kitchen.py, connected to the workspace."""
    with serving(bistro) as running:
        yield running


@pytest.fixture
def as_user(
    bistro: Sandbox, kitchen: Kitchen, browser_page: Callable[..., Page]
) -> Callable[..., Page]:
    """`as_user("U1", channel="C1", query="", dark=False)` opens the page as that person."""
    assert kitchen

    def opened(user: str, *, channel: str = "C1", query: str = "", dark: bool = False) -> Page:
        place = query or f"&channel={channel}"
        page = browser_page(f"{bistro.url}?user={user}{place}", dark=dark)
        page.get_by_role("log").first.wait_for()
        return page

    return opened

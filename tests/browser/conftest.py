"""Chromium for the browser tests: pages that must not raise errors, and screenshots under artefacts/.

`browser_page(url)` and `screenshot(page, name)` know nothing of what the page shows.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
WAIT_MS = 10_000
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


@pytest.fixture(scope="module")
def chromium(require: Callable[[str], NoReturn]) -> Iterator[Browser]:
    """A headless Chromium of this machine. Per module: Playwright's event loop must not outlive it in this thread."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    path = path or shutil.which("google-chrome")
    if path is None:
        require("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def browser_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """`browser_page(url, dark=False, width=1360, height=860)` opens a page of its own session.

    The test fails at its end when any page raised a script error or asked another host for something.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(url: str, *, dark: bool = False, width: int = 1360, height: int = 860) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            locale="en-US",
            timezone_id="UTC",
        )
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        origin = "/".join(url.split("/")[:3])
        page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
        page.on("request", lambda asked: _foreign(asked.url, origin, complaints))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def screenshot() -> Callable[[Page, str], Path]:
    """`screenshot(page, name)` keeps what the page shows as artefacts/NAME.png."""
    ARTEFACTS.mkdir(exist_ok=True)

    def kept(page: Page, name: str) -> Path:
        path = ARTEFACTS / f"{name}.png"
        page.screenshot(path=path, animations="disabled")
        return path

    return kept


def _foreign(url: str, origin: str, complaints: list[str]) -> None:
    if not url.startswith((origin, "data:", "blob:")):
        complaints.append(f"asked another host: {url}")

"""A real Chromium, without a screen and without a network."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

SIZES: Final = {"phone": (390, 844), "desktop": (1280, 800)}
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
# As root there is no sandbox to be had; the rest keeps it from asking its maker for news.
_FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
]


class ChromiumMissing(Exception):
    """There is no browser. The message says how to get one."""


def find_chromium() -> str:
    """Return the program. Raises `ChromiumMissing`."""
    for name in filter(None, (os.environ.get("CHROMIUM"), *_NAMES)):
        if found := shutil.which(name):
            return found
    message = "Chromium is missing: install it (Debian and Ubuntu: apt-get install chromium), or name it in $CHROMIUM"
    raise ChromiumMissing(message)


@dataclass
class Visit:
    """A page that was opened, what it said on its console, and what it asked the network for."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser, path: Path, size: str, *, dark: bool = False) -> Iterator[Visit]:
    """Open the file at *path* on a screen of one of `SIZES`."""
    width, height = SIZES[size]
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        device_scale_factor=1,
        is_mobile=size == "phone",
    )
    seen = Visit(page)
    page.on("console", lambda message: seen.console.append(message.text))
    page.on("pageerror", lambda error: seen.console.append(str(error)))
    page.on("request", lambda request: seen.requests.append(request.url))
    try:
        page.goto(path.as_uri())
        yield seen
    finally:
        page.close()

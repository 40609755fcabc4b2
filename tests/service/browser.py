"""A headless Chromium for tests of what people see; a machine without one skips them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@contextmanager
def headless_chromium() -> Iterator[Browser]:
    """The first Chromium on the path."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip(f"no Chromium is installed: none of {', '.join(NAMES)} is on the path")
    with sync_playwright() as playwright:
        # As root, as in most containers, Chromium has no sandbox of its own; these pages are ours.
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def quiet_page(browser: Browser, **context: object) -> Iterator[Page]:
    """A page on which nothing may go wrong unseen: no error, no complaint on the console, no dialog."""
    complaints: list[str] = []
    with browser.new_context(**context) as opened:
        page = opened.new_page()
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on(
            "console",
            lambda said: complaints.append(f"console: {said.text}") if said.type in ("error", "warning") else None,
        )
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        yield page
    assert complaints == []

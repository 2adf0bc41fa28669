"""A real browser for tests: Debian's chromium, driven by Playwright, that notes all a page should not do."""

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}
NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Visit:
    """An open page and what went wrong in it.

    Attributes:
        page: Playwright's page.
        problems: Console errors and warnings, uncaught exceptions, requests that failed.
        requests: Every address that the page asked for, `data:` and `blob:` left out.
    """

    page: Any
    problems: list = field(default_factory=list)
    requests: list = field(default_factory=list)

    def hosts(self):
        """Hosts that were asked; a file has none."""
        return {urlsplit(address).netloc for address in self.requests} - {""}

    def overflow(self):
        """Pixels by which the page is wider than the window: above 0 it scrolls sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def executable():
    """The browser's path; an error that says what to do where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "no chromium here: run sh scripts/browser.sh as root, or install it"
    return found


@contextmanager
def launched():
    """A headless browser; it needs no sandbox of its own, because tests run as root in containers."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), headless=True, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser, address, viewport=DESKTOP, dark=False, **options):
    """Open an address in a fresh profile and wait until it is loaded.

    Args:
        browser: From `launched`.
        address: A URL; `path.as_uri()` for a file.
        viewport: Size of the window.
        dark: Whether the reader prefers dark pages.
        options: More of Playwright's for the profile.
    """
    context = browser.new_context(viewport=viewport, color_scheme="dark" if dark else "light", **options)
    context.set_default_timeout(120_000)  # a slow, shared machine is no failure
    try:
        seen = Visit(context.new_page())
        page = seen.page
        page.on("console", lambda m: seen.problems.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: seen.problems.append(str(error)))
        page.on("requestfailed", lambda r: seen.problems.append(f"failed: {r.url[:200]}"))
        page.on("dialog", lambda d: (seen.problems.append(f"dialog: {d.message}"), d.dismiss()))
        page.on("request", lambda r: None if r.url.startswith(("data:", "blob:")) else seen.requests.append(r.url))
        page.goto(address, wait_until="load")
        yield seen
    finally:
        context.close()

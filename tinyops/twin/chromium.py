"""Debian's Chromium without a screen, with time limits on whatever is asked of it."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyops.errors import ToolError
from tinyops.process import find_tool
from tinyops.twin.machine import BOOT_TIMEOUT_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = "chromium"
CHROMIUM_HINT = "on Debian or Ubuntu: apt-get install chromium"
PLAYWRIGHT_HINT = "pip install 'tinyops[browser]' (no browser is downloaded: Debian's Chromium is used)"


@contextlib.contextmanager
def open_browser(name: str, *also: str) -> Iterator[tuple[Browser, str]]:
    """Debian's Chromium without a screen, and the mark that tells its processes from others'; `also` are more options.

    Raises ToolError.
    """
    sync_playwright = _playwright()
    from playwright.sync_api import Error

    path, mark = find_tool(CHROMIUM, hint=CHROMIUM_HINT), f"--tinyops-twin={secrets.token_hex(8)}"
    options = [mark, "--disable-dev-shm-usage", *also, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    try:
        with limit(BOOT_TIMEOUT_S + 10, mark), contextlib.ExitStack() as begun:
            playwright = begun.enter_context(sync_playwright())
            browser = playwright.chromium.launch(executable_path=path, args=options, timeout=BOOT_TIMEOUT_S * 1000)
            held = begun.pop_all()
    except Error as error:
        raise ToolError(f"{name}: {path} cannot be started: {first_line(error)}", hint=CHROMIUM_HINT) from error
    with held:
        try:
            yield browser, mark
        finally:
            with limit(BOOT_TIMEOUT_S, mark), contextlib.suppress(Error):
                browser.close()


def open_page(browser: Browser, url: str, mark: str, name: str) -> Page:
    """The page at an address, as large as a phone's screen. Raises ToolError."""
    from playwright.sync_api import Error

    try:
        with limit(BOOT_TIMEOUT_S + 10, mark):
            page = browser.new_page(viewport={"width": 390, "height": 844}, device_scale_factor=2)
            page.set_default_timeout(BOOT_TIMEOUT_S * 1000)
            page.goto(url)
            return page
    except Error as error:
        raise ToolError(f"{name}: the page does not open: {first_line(error)}") from error


@contextlib.contextmanager
def limit(seconds: float, mark: str) -> Iterator[None]:
    """Ends a browser that does not answer: whoever waits for it is then told that it is gone."""
    timer = threading.Timer(seconds, _kill, [mark])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _kill(mark: str) -> None:
    """Kills the processes that were started with a mark that nobody else can have."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


def _playwright() -> Any:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise ToolError("the Python package playwright is not installed", hint=PLAYWRIGHT_HINT) from error
    return sync_playwright


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

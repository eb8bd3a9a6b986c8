"""Debian's Chromium for the tests, and what is watched while a page is open."""

import os
import shutil
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    Response,
    ViewportSize,
)

EXECUTABLE = os.environ.get("QUARRY_CHROMIUM") or shutil.which("chromium") or ""
IS_REQUIRED = os.environ.get("QUARRY_BROWSER") == "required"
"""Set by `make test-ui`: there an absent browser is a failure, elsewhere a reason to skip."""
ABSENT = "no Chromium: apt-get install chromium, or name one in QUARRY_CHROMIUM"
SLOWDOWN = float(os.environ.get("QUARRY_BROWSER_SLOWDOWN") or 1)
"""By how much pages are slowed down, to find steps that do not wait for what they need."""
FLAGS = (
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # what it would fetch for itself
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WINDOW = ViewportSize(width=1440, height=900)
LOOPBACK = {"127.0.0.1", "localhost", ""}
"""The last for `data:` and `blob:`, which have no host."""


def launch(playwright: Playwright) -> Browser:
    """A browser without a window."""
    return playwright.chromium.launch(executable_path=EXECUTABLE, args=list(FLAGS))


def slow_down(page: Page) -> None:
    """Give a page a slower processor, as `QUARRY_BROWSER_SLOWDOWN` says."""
    if SLOWDOWN > 1:
        session = page.context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})


@dataclass
class Watch:
    """What went wrong behind a page, also where nothing of it shows.

    Args:
        complaints: one line each.
    """

    complaints: list[str] = field(default_factory=list[str])

    def follow(self, page: Page) -> None:
        """Note errors of scripts, failed requests and requests to other machines."""
        page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        page.on("console", self._console)
        page.on("request", self._request)
        page.on("requestfailed", self._failed)
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if (urlsplit(request.url).hostname or "") not in LOOPBACK:
            self.complaints.append(f"left this machine: {request.url}")

    def _failed(self, request: Request) -> None:
        # a page that is left, or asks again, gives up what it asked for
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.failure}: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"status {response.status}: {response.url}")

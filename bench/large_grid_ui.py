"""What a person waits for in the browser: pages of a large grid, and the queries behind them.

Needs Playwright and a Chromium. A page counts as drawn when the text named for it shows; the
queries that the web app sent are listed with the time that the server took for each.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from bench.large_grid_measures import Measured

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
MOST_WAIT_S = 120.0
PAGES = {
    "asset graph": ("asset-groups", "trajectories"),
    "trajectories": ("assets/trajectories?view=overview", "Description"),
    "trajectories, Partitions": ("assets/trajectories?view=partitions", "task-00-0shot"),
    "trajectories, Checks": ("assets/trajectories?view=checks", "chunks_intact"),
    "check, Partitions": (
        "assets/trajectories?view=checks&checkDetail=chunks_intact&checkTab=partitions",
        "task-00-0shot",
    ),
}
"""Where a page is, and what shows when it is drawn."""


def pages(url: str, chromium: str = CHROMIUM) -> Iterator[Measured]:
    """Each page, twice.

    Args:
        url: a running Dagster.
        chromium: the browser.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for name, (path, text) in PAGES.items():
            page = browser.new_page()
            taken: list[float] = []
            queries: list[dict[str, float]] = []
            for _ in range(2):
                queries.append(_watched(page))
                started = time.perf_counter()
                page.goto(f"{url}/{path}")
                page.get_by_text(text).first.wait_for(timeout=MOST_WAIT_S * 1000)
                taken.append(time.perf_counter() - started)
                page.wait_for_timeout(3000)
            yield Measured(f"page: {name}", taken[0], taken[1], _slowest(queries[1]))
            page.close()
        yield _dialog(browser, url)
        browser.close()


def _watched(page: Any) -> dict[str, float]:
    """The longest time of each query that a page sends from now on, by its name."""
    took: dict[str, float] = {}

    def ended(request: Any) -> None:
        if "/graphql" in request.url and request.post_data_json:
            name = request.post_data_json.get("operationName", "?")
            timing = request.timing
            took[name] = max(took.get(name, 0.0), timing["responseEnd"] / 1000)

    page.on("requestfinished", ended)
    return took


def _slowest(took: dict[str, float]) -> str:
    """The slowest queries of a page."""
    first = sorted(took.items(), key=lambda one: -one[1])[:4]
    return ", ".join(f"{name} {took_s:.2f} s" for name, took_s in first)


def _dialog(browser: Any, url: str) -> Measured:
    """From the click on "Materialize" until the dialog of the backfill shows its partitions."""
    page = browser.new_page()
    page.goto(f"{url}/assets/trajectories?view=partitions")
    button = page.get_by_role("button", name="Materialize").first
    button.wait_for(timeout=MOST_WAIT_S * 1000)
    page.wait_for_timeout(5000)
    took = _watched(page)
    started = time.perf_counter()
    button.click()
    page.get_by_text("Launch backfill").first.wait_for(timeout=MOST_WAIT_S * 1000)
    taken_s = time.perf_counter() - started
    page.wait_for_timeout(3000)
    page.close()
    return Measured("dialog of a backfill", taken_s, None, _slowest(took))

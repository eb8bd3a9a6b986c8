"""What a person waits for in the browser: pages of a large grid, and the queries behind them.

Needs Playwright and a Chromium. A page counts as drawn when each query that it sends has been
answered once, and it asks for nothing new; what it polls for afterwards does not count.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests

from bench.large_grid_measures import Measured, timed

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
MOST_WAIT_S = 120.0
QUIET_S = 3.0
PAGES = {
    "asset graph": "asset-groups",
    "trajectories": "assets/trajectories?view=overview",
    "trajectories, Partitions": "assets/trajectories?view=partitions",
    "trajectories, Checks": "assets/trajectories?view=checks",
    "check, Partitions": (
        "assets/trajectories?view=checks&checkDetail=chunks_intact&checkTab=partitions"
    ),
}
VERDICTS = """{ assetNodes(assetKeys: [{path: ["trajectories"]}]) {
    assetChecksOrError { ... on AssetChecks { checks { name partitionStatuses {
        __typename ... on AssetCheckMultiPartitionStatuses { primaryDimensionName } } } } } } }"""
"""What the web app asks for as `AssetGraphLiveQuery`, as far as it looks at partitions."""


@dataclass
class _Queries:
    """What a page has asked since a moment."""

    started_s: float = field(default_factory=time.perf_counter)
    newest_s: float = 0.0
    asked: set[str] = field(default_factory=set[str])
    answered_s: dict[str, float] = field(default_factory=dict[str, float])
    took_s: dict[str, float] = field(default_factory=dict[str, float])

    def now_s(self) -> float:
        """Seconds since the moment."""
        return time.perf_counter() - self.started_s

    def sent(self, request: Any) -> None:
        """A request leaves."""
        if (name := _operation(request)) and name not in self.asked:
            self.asked.add(name)
            self.newest_s = self.now_s()

    def ended(self, request: Any) -> None:
        """A request was answered."""
        if name := _operation(request):
            self.answered_s.setdefault(name, self.now_s())
            self.took_s.setdefault(name, request.timing["responseEnd"] / 1000)

    @property
    def open(self) -> set[str]:
        """Queries that never were answered."""
        return self.asked - self.answered_s.keys()

    def is_quiet(self) -> bool:
        """Whether all is answered, and nothing new is asked for."""
        latest_s = max([self.newest_s, *self.answered_s.values()])
        return bool(self.asked) and not self.open and self.now_s() - latest_s > QUIET_S

    def said(self) -> str:
        """What was never answered, and the slowest queries."""
        first = sorted(self.took_s.items(), key=lambda one: -one[1])[:3]
        text = ", ".join(f"{name} {took_s:.2f} s" for name, took_s in first)
        return f"no answer in {MOST_WAIT_S:.0f} s: {', '.join(self.open)}" if self.open else text


def pages(url: str, chromium: str = CHROMIUM) -> Iterator[Measured]:
    """The query for verdicts, and each page twice.

    Args:
        url: a running Dagster.
        chromium: the browser.
    """
    from playwright.sync_api import sync_playwright

    yield timed("web server: verdicts of all checks", lambda: _verdicts(url))
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for name, path in PAGES.items():
            page = browser.new_page()
            first, again = (_open(page, f"{url}/{path}") for _ in range(2))
            yield Measured(f"page: {name}", first[0], again[0], again[1])
            page.close()
        yield _dialog(browser, url)
        browser.close()


def _verdicts(url: str) -> str:
    """Ask the web server for the partitions of every check of the grid, as pages do."""
    answer = requests.post(f"{url}/graphql", json={"query": VERDICTS}, timeout=MOST_WAIT_S)
    answer.raise_for_status()
    (node,) = answer.json()["data"]["assetNodes"]
    return f"{len(node['assetChecksOrError']['checks'])} checks, {len(answer.content)} bytes"


def _open(page: Any, url: str) -> tuple[float, str]:
    """Seconds until a page is drawn, and its slowest queries."""
    queries = _watch(page)
    page.goto(url, wait_until="commit")
    return _settled(page, queries)


def _watch(page: Any) -> _Queries:
    """What a page asks from now on."""
    queries = _Queries()
    page.on("request", queries.sent)
    page.on("requestfinished", queries.ended)
    return queries


def _settled(page: Any, queries: _Queries) -> tuple[float, str]:
    """Wait until a page asks for nothing new."""
    while not queries.is_quiet() and queries.now_s() < MOST_WAIT_S:
        page.wait_for_timeout(100)
    drawn_s = MOST_WAIT_S if queries.open else max(queries.answered_s.values(), default=0.0)
    page.remove_listener("request", queries.sent)
    page.remove_listener("requestfinished", queries.ended)
    return drawn_s, queries.said()


def _operation(request: Any) -> str:
    """The name of a query; empty for other requests."""
    if "/graphql" not in request.url or request.method != "POST":
        return ""
    return str((request.post_data_json or {}).get("operationName") or "")


def _dialog(browser: Any, url: str) -> Measured:
    """From the click on "Materialize" until the dialog of the backfill has its partitions."""
    page = browser.new_page()
    _open(page, f"{url}/assets/trajectories?view=partitions")
    button = page.get_by_role("button", name="Materialize").first
    button.wait_for(timeout=MOST_WAIT_S * 1000)
    queries = _watch(page)
    button.click()
    page.get_by_text("Launch backfill").first.wait_for(timeout=MOST_WAIT_S * 1000)
    shown_s = queries.now_s()
    drawn_s, said = _settled(page, queries)
    page.close()
    return Measured("dialog of a backfill", max(shown_s, drawn_s), None, said)

"""`DagsterUI`: the whole UI, as far as it is the same on every page, and the graph."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

PATIENCE_MS = 60_000
"""For a page, on a busy machine."""
LANDING = re.compile(r"://[^/]+/?$")
FREE_SPOT = (600, 300)
"""Where the graph has no box, to be dragged by."""
RUN_MS = 400_000
"""For a run: a process that imports everything, on a busy machine."""


def own_text(place: Page | Locator, name: str) -> Locator:
    """The visible one of a name that the UI writes twice, once to measure its width."""
    return place.get_by_text(name, exact=True).locator("visible=true").first


def follow(target: Locator) -> None:
    """Click a link or a tab, also while what loads above it pushes it away from the mouse."""
    expect(target).to_be_visible()
    target.dispatch_event("click")


class DagsterUI:
    """What a person does from anywhere.

    Args:
        page: an empty window.
        screenshots: folder of its pictures.
    """

    def __init__(self, page: Page, screenshots: Path) -> None:
        self.page = page
        self._screenshots = screenshots

    def open(self) -> None:
        """Type the address into the browser."""
        self.page.goto("/", wait_until="domcontentloaded")
        expect(self._section("Jobs")).to_be_visible()  # once the definitions are loaded
        expect(self.page).not_to_have_url(LANDING)  # it goes on by itself

    def section(self, name: str) -> None:
        """Choose from the navigation on the left: `Runs`, `Lineage`, `Automation` …"""
        follow(self._section(name))

    def _section(self, name: str) -> Locator:
        """The link of a section."""
        links = self.page.get_by_role("navigation").get_by_role("link")
        return links.filter(has_text=re.compile(f"^{name}$")).first

    def search(self, name: str, kind: str = "Asset in quarry") -> None:
        """Find something by name and open it."""
        self.page.get_by_role("button", name="Search").click()
        field = self.page.get_by_placeholder("Search assets, jobs, schedules, sensors")
        field.fill(name)
        hits = self.page.get_by_role("link")
        hits.filter(has_text=re.compile(rf"^\W*{name}\s*{kind}")).first.click()
        expect(field).to_have_count(0)

    def expand_graph(self) -> None:
        """Show every asset of the graph as a card, with all the room that there is."""
        self.page.get_by_role("button", name="Hide navigation").click()
        expect(self.page.get_by_role("button", name="zoom_in")).to_be_visible()
        # the first is that of the navigation
        self.page.get_by_role("button", name="settings", exact=True).last.click()
        self.page.get_by_role("menuitem", name="Expand all groups").click()
        self.refresh()  # the graph is fitted into the window when it is loaded
        self.page.get_by_role("button", name="zoom_in").click()
        self.page.get_by_role("button", name="panel_show_right").last.click()
        self.page.mouse.move(*FREE_SPOT)
        self.page.mouse.down()
        self.page.mouse.move(FREE_SPOT[0], FREE_SPOT[1] + 50, steps=5)
        self.page.mouse.up()

    def launch_job(self) -> None:
        """On a job's page, launch it with what it has by default."""
        self.page.get_by_role("tab", name="Launchpad").click()
        self.page.get_by_role("button", name="Launch run").click()

    def reload_definitions(self) -> None:
        """Let the code server load the changed source."""
        self.page.get_by_role("button", name="Reload definitions").click()
        expect(self.page.get_by_text("Definitions reloaded")).to_be_visible(timeout=RUN_MS)

    def follow_launched(self) -> None:
        """Go to the run or the backfill that was launched just now, by the notice about it."""
        notice = self.page.get_by_role("link", name="View", exact=True)
        notice.or_(self.page.get_by_role("button", name="View", exact=True)).first.click()

    def refresh(self) -> None:
        """Load the page again."""
        self.page.reload(wait_until="domcontentloaded")

    def keep(self, name: str) -> None:
        """Keep a screenshot."""
        self.page.screenshot(path=self._screenshots / f"{name}.png")

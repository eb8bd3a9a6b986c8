"""The page of an asset: its partitions, its metadata, its checks, and the dialog that makes it."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.ui import follow, own_text

ONLY_FAILED_AND_MISSING = "Backfill only failed and missing partitions within selection"


class AssetPage:
    """An asset's page; `page` shows it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def tab(self, name: str) -> None:
        """Choose one of the asset's tabs."""
        follow(self.page.locator("a[role=tab]").filter(has_text=re.compile(f"^{name}$")))

    def choose_cell(self, cell: str) -> None:
        """Choose a partition on a tab of partitions: benchmark first, then model."""
        benchmark, model = cell.split("|")
        for key in (benchmark, model):
            self.page.locator(f"[data-tooltip='{key}']").first.click()
        expect(self.page.get_by_text(cell, exact=True).first).to_be_visible()

    def count(self, state: str) -> Locator:
        """The box that counts partitions of a state, such as `Failed (3)`."""
        return self.page.get_by_text(re.compile(rf"^{state} \(\d+\)$"))

    def row(self, name: str) -> Locator:
        """The row of a table of metadata."""
        cell = self.page.get_by_text(name, exact=True)
        return self.page.get_by_role("row").filter(has=cell).last

    def plot(self, name: str) -> Locator:
        """Open the picture behind an entry of the metadata."""
        self.row(name).get_by_text("[Show Markdown]").click()
        return self.page.get_by_role("dialog").locator("img")

    def close_dialog(self) -> None:
        """Close what is open before the page."""
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_have_count(0)

    def materialize(self) -> "MaterializeDialog":
        """Open the dialog in which partitions are chosen."""
        self.page.get_by_role("button", name="Materialize").first.click()
        return MaterializeDialog(self.page)


class MaterializeDialog:
    """Which partitions are to be made."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.box = page.get_by_role("dialog").filter(has_text="Partition selection")
        expect(self.box).to_be_visible()

    def choose(self, cell: str) -> None:
        """Choose one cell from the two lists."""
        unchosen = self.box.get_by_text("Select a partition")
        keys = cell.split("|")
        for n_chosen, key in enumerate(keys):
            expect(unchosen).to_have_count(len(keys) - n_chosen)
            unchosen.first.click()
            filter_box = self.page.get_by_placeholder("Filter partitions")
            filter_box.fill(key)
            # the list lies above the page, which may show the same name
            self.page.get_by_text(key, exact=True).locator("visible=true").last.click()
            self.page.keyboard.press("Escape")
            # it fades out; until then the next list would be a second one
            expect(filter_box).to_have_count(0)
        expect(self.box.get_by_text("1 partition", exact=True)).to_be_visible()

    def choose_all(self) -> None:
        """Choose every partition of both dimensions."""
        buttons = self.box.get_by_role("button", name="All", exact=True)
        expect(buttons).to_have_count(2)
        for button in buttons.all():
            button.click()

    def only_failed_and_missing(self) -> None:
        """Tick the box that leaves out what is there."""
        self.box.get_by_text(ONLY_FAILED_AND_MISSING).click()

    def launch(self) -> None:
        """Press the button, and wait until the dialog is gone."""
        self.box.get_by_role("button", name=re.compile("^Launch")).click()
        expect(self.box).to_have_count(0)


class ChecksTab:
    """The checks of the asset whose page is shown."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def execute_all(self) -> None:
        """Run all checks on all materialised partitions."""
        self.page.get_by_role("button", name="Execute all").click()
        expect(self.page.get_by_text("Launched run")).to_be_visible()

    def open(self, check: str) -> None:
        """Show one check."""
        follow(own_text(self.page, check))
        expect(self.page.get_by_text("Latest execution").first).to_be_visible()

    def partitions(self) -> None:
        """Show the partitions of the check that is open."""
        follow(self.page.locator("button[role=tab]").filter(has_text="Partitions"))

    def entry(self, check: str) -> Locator:
        """A check in the list, with its verdict."""
        # the nearest box that holds the verdict's icon, too
        return own_text(self.page, check).locator("xpath=ancestor::*[.//*[@role='img']][1]")

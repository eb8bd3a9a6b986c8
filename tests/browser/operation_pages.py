"""Pages of what happens: runs, backfills, sensors."""

from playwright.sync_api import Locator, Page, expect

from tests.browser.ui import RUN_MS, follow


class RunPage:
    """The page of a run."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def wait_for_success(self) -> None:
        """Watch until it has succeeded."""
        expect(self.page.get_by_text("Success", exact=True).first).to_be_visible(timeout=RUN_MS)

    def find_in_log(self, text: str) -> Locator:
        """Filter the log; the line that is left."""
        self.page.get_by_placeholder("Filter…").fill(text)
        return self.page.get_by_text(text).last


class BackfillPage:
    """The page of a backfill."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def wait_for_success(self) -> None:
        """Watch until all of its runs have succeeded."""
        done = self.page.get_by_text("Succeeded", exact=True).or_(
            self.page.get_by_text("100% completed")
        )
        expect(done.first).to_be_visible()
        expect(self.page.get_by_text("100% completed")).to_be_visible(timeout=2 * RUN_MS)


class AutomationPage:
    """The list of sensors and schedules, and the page of one of them."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def switch(self, name: str) -> Locator:
        """The switch of a sensor or a schedule."""
        link = self.page.get_by_role("link", name=name)
        return link.locator("xpath=following::input[@type='checkbox'][1]")

    def open(self, name: str) -> None:
        """Show one of them."""
        follow(self.page.get_by_role("link", name=name))

    def preview(self) -> Locator:
        """Ask what a tick would do; the dialog that says so."""
        self.page.get_by_role("button", name="Preview tick result").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("button", name="Continue").click()
        expect(dialog.get_by_text("Result", exact=True)).to_be_visible()
        return dialog

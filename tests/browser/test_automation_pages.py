"""What runs by itself is said, and what costs money does not until somebody switches it on."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.operation_pages import AutomationPage
from tests.browser.ui import DagsterUI
from tests.browser.workshop import Workshop

pytestmark = pytest.mark.browser
LOST = "gsm8k-0shot|toy_chat"
ON = ("adopt_files", "mark_damaged_cells", "reconcile_runs", "roll_up_verdicts", "scrub_daily")
OFF = ("collect_missing_cells", "heal_cells", "label_and_audit", "sweep_daily", "verify_every_cell")


@pytest.fixture(scope="module")
def prepare() -> Callable[[Workshop], None]:
    """A file is lost."""
    return lambda workshop: workshop.file_of(LOST).unlink()


def test_what_only_reads_is_on_and_what_collects_or_mends_is_off(ui: DagsterUI):
    ui.open()
    ui.section("Automation")
    automation = AutomationPage(ui.page)
    for name in ON:
        expect(automation.switch(name), name).to_be_checked()
    for name in OFF:
        expect(automation.switch(name), name).not_to_be_checked()
    ui.keep("automation")


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("collect_missing_cells", "On means GPU hours"),
        ("label_and_audit", "On means CPU time"),
        ("mark_damaged_cells", "Reads files; collects nothing"),
        ("scrub_daily", "Verifies a part of the collected cells"),
    ],
)
def test_the_page_of_a_sensor_says_what_it_does_and_what_it_costs(
    ui: DagsterUI, name: str, meaning: str
):
    ui.open()
    ui.section("Automation")
    AutomationPage(ui.page).open(name)
    expect(ui.page.get_by_text(meaning).first).to_be_visible()


def test_healing_says_what_it_would_do_before_it_is_switched_on(ui: DagsterUI):
    ui.open()
    ui.section("Automation")
    automation = AutomationPage(ui.page)
    automation.open("heal_cells")
    dialog = automation.preview()
    expect(dialog).to_contain_text("Requested runs (1)")
    expect(dialog).to_contain_text("collect_cells")
    ui.keep("healing-preview")


def test_the_audit_shows_when_it_counts_as_old(ui: DagsterUI):
    ui.open()
    ui.search("collection_audit")
    expect(ui.page.get_by_text("Fails if more than 8 days since last").first).to_be_visible()
    expect(ui.page.get_by_text("changed, or a day old").first).to_be_visible()
    ui.keep("audit-freshness")

"""A developer changes a grader; the labels are out of date, and what cost GPU hours is not."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.asset_pages import AssetPage
from tests.browser.operation_pages import RunPage
from tests.browser.ui import DagsterUI
from tests.browser.workshop import Workshop

pytestmark = pytest.mark.browser
CELL = "gsm8k-1shot|toy_chat"
VERSION = re.compile(r'^NUMERIC_VERSION = "(.+)"$', re.MULTILINE)


@pytest.fixture
def change_grader(workshop: Workshop) -> Callable[[], None]:
    """Count the version of the numeric grader up, with an editor."""

    def change() -> None:
        source = workshop.root / "quarry" / "grading" / "numeric.py"
        text, n_changed = VERSION.subn(r'NUMERIC_VERSION = "\1.1"', source.read_text())
        assert n_changed == 1
        source.write_text(text)

    return change


def unsynced(ui: DagsterUI, asset_name: str) -> Locator:
    """The mark on a cell's page that says it is out of date."""
    ui.search(asset_name)
    asset = AssetPage(ui.page)
    asset.tab("Partitions")
    asset.choose_cell(CELL)
    expect(asset.row("path")).to_be_visible()
    return ui.page.get_by_text(re.compile(r"^Unsynced"))


def test_a_new_grader_version_makes_the_labels_stale_and_nothing_before_them(
    ui: DagsterUI, change_grader: Callable[[], None]
):
    ui.open()
    expect(unsynced(ui, "correctness_labels")).to_have_count(0)
    change_grader()
    ui.section("Lineage")
    ui.reload_definitions()
    mark = unsynced(ui, "correctness_labels")
    expect(mark).to_be_visible()
    mark.hover()
    expect(ui.page.get_by_text(re.compile("code version", re.IGNORECASE)).first).to_be_visible()
    ui.keep("unsynced-labels")
    for asset_name in ("trajectories", "labelled_trajectories", "label_changes"):
        expect(unsynced(ui, asset_name), asset_name).to_have_count(0)

    ui.search("relabel_grid", kind="Job")
    ui.launch_job()
    RunPage(ui.page).wait_for_success()
    ui.keep("relabelling-run")
    expect(unsynced(ui, "correctness_labels")).to_have_count(0)
    expect(AssetPage(ui.page).row("grader_version")).to_contain_text(re.compile(r"\.1$"))

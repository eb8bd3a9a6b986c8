"""Files go bad; a person finds them by the checks and has them collected again. In this order."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from quarry.trajectory.verification import verify
from tests.browser.asset_pages import AssetPage, ChecksTab
from tests.browser.operation_pages import BackfillPage
from tests.browser.ui import RUN_MS, DagsterUI
from tests.browser.workshop import Workshop

pytestmark = pytest.mark.browser
FLIPPED = "logiqa-1shot|toy_chat"
DELETED = ("gsm8k-0shot|toy_chat", "humaneval-0shot|toy_base")
WHOLE = "gsm8k-1shot|toy_base"


def damage(workshop: Workshop) -> None:
    path = workshop.file_of(FLIPPED)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(byte ^ 0xFF for byte in content[middle : middle + 64])
    path.write_bytes(content)
    for cell in DELETED:
        workshop.file_of(cell).unlink()


@pytest.fixture(scope="module")
def prepare() -> Callable[[Workshop], None]:
    """One file is flipped in its middle, two are deleted."""
    return damage


def test_checks_name_the_damaged_cell_with_cause_and_cure(ui: DagsterUI):
    ui.open()
    ui.search("trajectories")
    AssetPage(ui.page).tab("Checks")
    checks = ChecksTab(ui.page)
    checks.execute_all()
    expect(checks.entry("chunks_intact")).to_contain_text("Failed", timeout=RUN_MS)
    expect(checks.entry("file_complete")).to_contain_text("Failed")

    asset = AssetPage(ui.page)
    checks.open("chunks_intact")
    checks.partitions()
    expect(asset.count("Failed")).to_have_text("Failed (3)")
    expect(asset.count("Passed")).to_have_text("Passed (9)")
    asset.choose_cell(FLIPPED)
    expect(asset.row("what")).to_contain_text("not what was published")
    expect(asset.row("what_to_do")).to_contain_text("quarry repair")
    expect(asset.row("where")).to_contain_text(re.compile(r"row \d+, tokens \d+-\d+, bytes \d+"))
    expect(asset.row("expected")).to_contain_text("blake3")
    ui.keep("failing-cell")
    asset.choose_cell(WHOLE)
    expect(asset.row("what_to_do")).to_have_count(0)

    checks.open("file_complete")
    checks.partitions()
    expect(asset.count("Failed")).to_have_text("Failed (2)")
    asset.choose_cell(DELETED[0])
    expect(asset.row("what_to_do")).to_be_visible()
    ui.keep("deleted-file")


def test_the_roll_up_is_red_and_the_bad_cells_are_failed_partitions(ui: DagsterUI):
    ui.open()
    ui.search("trajectories")
    asset, checks = AssetPage(ui.page), ChecksTab(ui.page)
    asset.tab("Checks")
    expect(checks.entry("all_partitions_intact")).to_contain_text("Failed", timeout=RUN_MS)
    checks.open("all_partitions_intact")
    for cell in (FLIPPED, *DELETED):
        expect(ui.page.get_by_role("cell").get_by_text(cell, exact=True).first).to_be_visible()
    ui.keep("roll-up")
    checks.open("chunks_intact")
    expect(asset.row("what_to_do")).to_be_visible()
    ui.keep("failing-check")
    asset.tab("Partitions")
    expect(asset.count("Failed")).to_have_text("Failed (3)", timeout=RUN_MS)
    expect(asset.count("Materialized")).to_have_text("Materialized (9)")
    ui.keep("grid")


def test_a_backfill_of_failed_and_missing_makes_the_grid_whole(ui: DagsterUI, workshop: Workshop):
    ui.open()
    ui.search("trajectories")
    asset = AssetPage(ui.page)
    asset.tab("Partitions")
    expect(asset.count("Failed")).to_have_text("Failed (3)", timeout=RUN_MS)
    dialog = asset.materialize()
    dialog.choose_all()
    dialog.only_failed_and_missing()
    expect(dialog.box).to_contain_text(re.compile("Only 3 failed and missing"))
    ui.keep("backfill-dialog")
    dialog.launch()
    ui.follow_launched()
    BackfillPage(ui.page).wait_for_success()
    ui.keep("backfill")
    for cell in (FLIPPED, *DELETED):
        assert verify(workshop.file_of(cell)).is_clean

    ui.search("trajectories")
    asset.tab("Partitions")
    expect(asset.count("Materialized")).to_have_text("Materialized (12)")
    expect(asset.count("Failed")).to_have_text("Failed (0)")
    asset.tab("Checks")
    expect(ChecksTab(ui.page).entry("all_partitions_intact")).to_contain_text(
        "Succeeded", timeout=RUN_MS
    )

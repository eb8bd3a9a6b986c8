"""Files of an older pipeline are taken over; the UI shows them with what is wrong with them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.adoption.old_examples import cut_off, edited, failed_samples, good_example, write_old
from tests.browser.asset_pages import AssetPage, ChecksTab
from tests.browser.ui import RUN_MS, DagsterUI
from tests.browser.workshop import Workshop

pytestmark = pytest.mark.browser
CLEAN, FAILED, CUT = "gsm8k-0shot|olmo3_base", "gsm8k-0shot|olmo3_sft", "gsm8k-1shot|olmo3_base"
DAMAGES = {CLEAN: None, FAILED: edited(failed_samples), CUT: cut_off}


@pytest.fixture(scope="module")
def prepare() -> Callable[[Workshop], None]:
    """A catalog with two models of the hub, which nobody can collect here."""
    hub = {"hub_id": "allenai/Olmo-3-1025-7B", "revision": "main", "prompt_style": "raw"}
    return lambda workshop: workshop.add_models({"olmo3_base": hub, "olmo3_sft": hub})


@pytest.fixture(scope="module")
def old_files(workshop: Workshop) -> Path:
    """A folder of three old files: a good one, one with failed samples, one that is cut off."""
    folder = workshop.folder / "old"
    for seed, (cell, damage) in enumerate(DAMAGES.items()):
        benchmark, model = cell.split("|")
        n_shot = int(benchmark.removeprefix("gsm8k-").removesuffix("shot"))
        path = folder / f"{n_shot}shot" / model / "gsm8k_trajectories.h5"
        write_old(path, replace(good_example(8, n_shot=n_shot, seed=seed), attributes=None))
        if damage:
            damage(path)
    return folder


def test_adopted_files_are_materialised_and_their_defects_are_named(
    ui: DagsterUI, workshop: Workshop, old_files: Path
):
    asset, checks = AssetPage(ui.page), ChecksTab(ui.page)
    ui.open()
    ui.search("trajectories")
    asset.tab("Partitions")
    expect(asset.count("Materialized")).to_have_text("Materialized (12)")

    done = workshop.quarry("adopt", str(old_files))
    assert done.returncode == 1, done.stderr  # findings
    assert "quarry ui" in done.stdout

    expect(asset.count("Failed")).to_have_text("Failed (2)", timeout=2 * RUN_MS)
    expect(asset.count("Materialized")).to_have_text("Materialized (13)")
    asset.choose_cell(CLEAN)
    expect(asset.row("origin")).to_contain_text("adopted")
    ui.keep("adopted-file")

    asset.tab("Checks")
    for check, cell, defect in (
        ("rows_complete", FAILED, "A failed sample was stored"),
        ("file_complete", CUT, "The file is truncated"),
    ):
        expect(checks.entry(check)).to_contain_text("Failed")
        checks.open(check)
        checks.partitions()
        asset.choose_cell(cell)
        expect(asset.row("what")).to_contain_text(defect)
        expect(asset.row("what_to_do")).to_be_visible()
        ui.keep(f"adopted-{check}")
        asset.choose_cell(CLEAN)
        expect(asset.row("what")).to_have_count(0)

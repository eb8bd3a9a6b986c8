"""A person collects the first cell of a model that is new in the catalog."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from quarry.trajectory.verification import verify
from tests.browser.asset_pages import AssetPage
from tests.browser.operation_pages import RunPage
from tests.browser.ui import DagsterUI, own_text
from tests.browser.workshop import Workshop

pytestmark = pytest.mark.browser
CELL = "gsm8k-0shot|toy_new"
DRAWN_WIDTH = "async image => { await image.decode(); return image.naturalWidth; }"


@pytest.fixture(scope="module")
def prepare() -> Callable[[Workshop], None]:
    """A model that the catalog names since today."""
    return lambda workshop: workshop.add_models(
        {"toy_new": {"path": workshop.model_path, "prompt_style": "raw"}}
    )


def test_the_graph_shows_every_asset_with_what_it_is_and_how_far_it_is(ui: DagsterUI):
    ui.open()
    ui.section("Lineage")
    ui.expand_graph()
    for asset in ("benchmark_samples", "model_checkpoints", "trajectories", "correctness_labels"):
        expect(own_text(ui.page, asset)).to_be_visible()
    for seen in ("18 partitions", "66% filled", "Hugging Face", "7 / 8 Passed"):
        expect(own_text(ui.page, seen)).to_be_visible()
    ui.keep("asset-graph")


def test_a_cell_is_collected_by_hand_and_shows_its_numbers_and_plots(
    ui: DagsterUI, workshop: Workshop
):
    ui.open()
    ui.section("Lineage")
    ui.search("trajectories")
    asset = AssetPage(ui.page)
    asset.tab("Partitions")
    expect(asset.count("Missing")).to_have_text("Missing (6)")
    dialog = asset.materialize()
    dialog.choose(CELL)
    ui.keep("collecting-dialog")
    dialog.launch()
    ui.follow_launched()
    run = RunPage(ui.page)
    run.wait_for_success()
    expect(run.find_in_log("collecting")).to_contain_text(CELL)
    ui.keep("collecting-run")
    assert verify(workshop.file_of(CELL)).is_clean

    ui.search("trajectories")
    asset.tab("Partitions")
    expect(asset.count("Materialized")).to_have_text("Materialized (13)")
    asset.choose_cell(CELL)
    expect(asset.row("dagster/row_count")).to_contain_text(re.compile(r"row_count\s*8$"))
    expect(asset.row("size_bytes")).to_contain_text(
        re.compile(rf"{workshop.file_of(CELL).stat().st_size:,}".replace(",", ",?"))
    )
    expect(asset.row("path")).to_contain_text("gsm8k_trajectories.h5")
    for name in ("lengths", "activation_norms"):
        picture = asset.plot(name)
        expect(picture).to_be_visible()
        assert picture.evaluate(DRAWN_WIDTH) > 400
        ui.keep(f"plot-{name}")
        asset.close_dialog()
    ui.keep("cell-of-the-grid")

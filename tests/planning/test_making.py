"""The plan of a grid without files: which cells, in which order, why, what first, what is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.errors import UnknownNameError
from quarry.planning.known import KnownGrid
from quarry.planning.making import make_plan
from quarry.planning.plan import BackfillPlan, Prerequisite
from quarry.planning.selection import PlanSelection
from tests.costs.records import catalog

NOTHING_KNOWN = KnownGrid()


def plan(
    directory: Path,
    known: KnownGrid = NOTHING_KNOWN,
    *,
    of: Catalog | None = None,
    selection: PlanSelection | None = None,
) -> BackfillPlan:
    entries = of or catalog()
    return make_plan(entries, DataDirectory(directory), known, selection or PlanSelection())


def cells(of: Catalog | None = None) -> list[str]:
    return [key.partition for key in (of or catalog()).cells()]


def test_every_cell_of_an_empty_directory_is_missing_in_the_order_of_the_grid(tmp_path: Path):
    found = plan(tmp_path)
    assert found.partitions() == cells()
    assert {row.action for row in found.rows} == {"collect"}
    assert found.title == f"{len(cells())} missing"


def test_costs_are_summed_and_priced(tmp_path: Path):
    effort = {"collect_gpu_hours": 1.5, "relabel_cpu_hours": 0.5, "gpu_hour_price": 2.0}
    found = plan(tmp_path, of=catalog(effort=effort)).as_dict()
    count = len(cells())
    assert found["total"]["gpu_hours"]["likely"] == 1.5 * count
    assert found["total"]["dollars"]["likely"] == 3.0 * count
    assert found["total"]["cpu_hours"] == 0.5 * count
    assert found["total"]["cells_of_unknown_size"] == count
    assert found["due"][0]["dollars"]["likely"] == 3.0
    assert json.loads(json.dumps(found)) == found


def test_the_first_cells_are_taken_and_the_others_named(tmp_path: Path):
    found = plan(tmp_path, selection=PlanSelection(most=3))
    assert found.partitions() == cells()[:3]
    assert [one.partition for one in found.left_out] == cells()[3:]
    assert {one.why for one in found.left_out} == {"over --max 3"}


@pytest.mark.parametrize(
    ("benchmarks", "wanted"),
    [(("gsm8k",), {"gsm8k-0shot", "gsm8k-8shot"}), (("logiqa-8shot",), {"logiqa-8shot"})],
)
def test_a_part_of_the_grid_can_be_named(
    tmp_path: Path, benchmarks: tuple[str, ...], wanted: set[str]
):
    found = plan(tmp_path, selection=PlanSelection(models=("large",), benchmarks=benchmarks))
    assert {row.key.benchmark for row in found.rows} == wanted
    assert {row.key.model for row in found.rows} == {"large"}
    assert found.n_cells == len(wanted)


@pytest.mark.parametrize(
    "selection", [PlanSelection(models=("nobody",)), PlanSelection(benchmarks=("gsm9k",))]
)
def test_a_name_that_is_not_in_the_catalog_is_refused(tmp_path: Path, selection: PlanSelection):
    with pytest.raises(UnknownNameError, match=r"nobody|gsm9k"):
        plan(tmp_path, selection=selection)


def test_a_cell_that_is_being_worked_on_is_left_out_and_named(tmp_path: Path):
    first = cells()[0]
    found = plan(tmp_path, KnownGrid(busy={first: "backfill abc has it"}))
    assert first not in found.partitions()
    assert [(one.partition, one.why) for one in found.left_out] == [(first, "backfill abc has it")]


def test_a_failed_cell_counts_once_with_both_reasons(tmp_path: Path):
    first = cells()[0]
    known = KnownGrid(failed={"collect": {first}, "label": {first}})
    row = plan(tmp_path, known).rows[0]
    assert (row.partition, row.action) == (first, "collect")
    assert [one.kind for one in row.reasons] == ["missing", "failed", "failed"]
    only = plan(tmp_path, known, selection=PlanSelection(kinds=("failed",)))
    assert (only.partitions(), only.title) == ([first], "1 failed")


def test_labels_without_a_file_are_not_made(tmp_path: Path):
    first = cells()[0]
    known = KnownGrid(stale={"label": {first: "an older grader made the labels"}})
    found = plan(tmp_path, known, selection=PlanSelection(kinds=("stale",)))
    assert found.rows == ()
    assert [one.why for one in found.left_out] == ["it has no file: `--missing` collects it"]


def test_samples_that_were_not_drawn_go_first_and_once(tmp_path: Path):
    known = KnownGrid(ready={"benchmark_samples": {"gsm8k-0shot"}}, has_store=True)
    found = plan(tmp_path, known, selection=PlanSelection(benchmarks=("gsm8k",)))
    assert found.prerequisites == (Prerequisite("benchmark_samples", "gsm8k-8shot"),)


def test_samples_whose_file_is_lost_are_drawn_again_where_nothing_fetches_them(tmp_path: Path):
    known = KnownGrid(ready={"benchmark_samples": {"gsm8k-0shot"}})
    found = plan(tmp_path, known, selection=PlanSelection(benchmarks=("gsm8k-0shot",)))
    assert found.prerequisites == (Prerequisite("benchmark_samples", "gsm8k-0shot"),)


def test_toy_models_are_trained_first_and_only_those_that_are_needed(tmp_path: Path):
    toy = {"prompt_style": "raw", "recipe": "base"}
    models = {"a": toy, "b": toy, "hub": {"path": "somewhere", "prompt_style": "raw"}}
    entries = catalog(models=models)
    found = plan(tmp_path, of=entries, selection=PlanSelection(models=("b", "hub")))
    trained = [one.partition for one in found.prerequisites if one.asset == "model_checkpoints"]
    assert trained == ["b"]


def test_a_plan_falls_into_a_part_for_each_action(tmp_path: Path):
    found = plan(tmp_path)
    assert list(found.parts) == ["collect"]
    assert found.parts["collect"].prerequisites == found.prerequisites
    assert plan(tmp_path, selection=PlanSelection(kinds=("stale",))).parts == {}

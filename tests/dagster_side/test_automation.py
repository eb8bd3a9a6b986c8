"""Automation asks for what is missing or stale, once for each reason; see decision 13."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.events import (
    AssetMaterializationPlannedData,
    DagsterEvent,
    DagsterEventType,
)

from tests.dagster_side.automated_grid import (
    BENCHMARKS,
    EVERY_CELL,
    MODELS,
    PAST,
    Automation,
    Requests,
)
from tests.dagster_side.small_grid import CELLS

FILES = dg.AssetKey("files")
SOURCES: Requests = {"samples": set(BENCHMARKS), "checkpoints": set(MODELS)}
COLLECTED: Requests = {"files": EVERY_CELL}
LABELLED: Requests = {"labels": EVERY_CELL, "views": EVERY_CELL}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def automation(instance: dg.DagsterInstance) -> Automation:
    return Automation(instance)


@pytest.fixture
def settled(automation: Automation) -> Automation:
    """Automation over a grid where everything is made and current."""
    automation.settle()
    return automation


def planned(instance: dg.DagsterInstance, automation: Automation, cell: str) -> dg.DagsterRun:
    """A run by hand that has said which cell it will collect, and has not done it yet."""
    run = instance.create_run_for_job(
        automation.defs().resolve_implicit_global_asset_job_def(),
        tags={"dagster/partition": cell},
        asset_selection=frozenset({FILES}),
        status=dg.DagsterRunStatus.STARTED,
    )
    event = DagsterEvent(
        event_type_value=DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
        job_name=run.job_name,
        event_specific_data=AssetMaterializationPlannedData(FILES, cell),
    )
    instance.report_dagster_event(event, run.run_id)
    return run


def adopt(instance: dg.DagsterInstance, cell: str, origin: str) -> None:
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            FILES,
            partition=cell,
            metadata={"origin": origin},
            tags={"dagster/data_version": "adopted"},
        )
    )


def test_all_that_is_missing_is_asked_for_in_the_order_of_the_graph(automation: Automation):
    assert automation.settle() == [SOURCES, COLLECTED, LABELLED, {}]


def test_models_from_elsewhere_are_waited_for_by_no_cell(instance: dg.DagsterInstance):
    automation = Automation(instance, has_own_checkpoints=False)
    assert automation.settle() == [{"samples": set(BENCHMARKS)}, COLLECTED, LABELLED, {}]


def test_cells_wait_for_their_own_samples_only(automation: Automation):
    automation.world.failing = {f"samples {BENCHMARKS[0]}"}
    reachable = {cell for cell in CELLS if not cell.startswith(BENCHMARKS[0])}
    asked = automation.settle()
    assert asked == [
        SOURCES,
        {"files": reachable},
        {"labels": reachable, "views": reachable},
        {},
    ]


def test_what_was_asked_for_is_not_asked_for_again_while_it_waits(automation: Automation):
    automation.run(automation.tick())
    assert automation.tick() == COLLECTED
    assert [automation.tick() for _ in range(3)] == [{}, {}, {}]


def test_a_cell_that_a_person_collects_right_now_is_left_to_them(
    instance: dg.DagsterInstance, automation: Automation
):
    automation.run(automation.tick())
    planned(instance, automation, CELLS[0])
    assert automation.tick() == {"files": EVERY_CELL - {CELLS[0]}}


def test_a_cell_whose_run_a_person_stopped_is_not_asked_for_again(
    instance: dg.DagsterInstance, automation: Automation
):
    automation.run(automation.tick())
    asked = automation.tick()
    instance.report_run_canceled(planned(instance, automation, CELLS[0]))
    automation.run({"files": asked["files"] - {CELLS[0]}})
    rest = EVERY_CELL - {CELLS[0]}
    assert automation.settle() == [{"labels": rest, "views": rest}, {}]


def test_a_cell_that_failed_is_not_asked_for_again_even_after_a_restart(automation: Automation):
    automation.world.failing = {f"files {CELLS[0]}"}
    rest = EVERY_CELL - {CELLS[0]}
    assert automation.settle() == [SOURCES, COLLECTED, {"labels": rest, "views": rest}, {}]
    automation.forget()
    assert automation.settle() == [{}]


def test_a_damaged_cell_is_neither_collected_nor_labelled(automation: Automation):
    automation.world.damaged = {CELLS[0]}
    rest = EVERY_CELL - {CELLS[0]}
    assert automation.settle() == [SOURCES, COLLECTED, {"labels": rest, "views": rest}, {}]


def test_a_damaged_cell_is_labelled_once_it_was_healed(automation: Automation):
    automation.world.damaged = {CELLS[0]}
    automation.settle()
    automation.world.damaged = set()
    automation.run({"files": {CELLS[0]}})
    cell = {CELLS[0]}
    assert automation.settle() == [{"labels": cell, "views": cell}, {}]


def test_verdicts_that_come_and_go_ask_for_nothing(settled: Automation):
    for damaged in ({CELLS[0]}, set[str](), {CELLS[0]}):
        settled.world.damaged = damaged
        settled.check(CELLS[0])
        assert settled.tick() == {}


def test_an_adopted_file_is_labelled_after_its_checks_have_passed(
    instance: dg.DagsterInstance, automation: Automation
):
    automation.run(automation.tick())
    adopt(instance, CELLS[0], "collected")
    assert automation.tick() == {"files": EVERY_CELL - {CELLS[0]}}
    assert automation.tick() == {}
    automation.check(CELLS[0])
    cell = {CELLS[0]}
    assert automation.settle() == [{"labels": cell, "views": cell}, {}]


def test_a_file_of_an_older_pipeline_is_never_labelled(
    instance: dg.DagsterInstance, automation: Automation
):
    automation.run(automation.tick())
    adopt(instance, CELLS[0], "adopted")
    automation.check(CELLS[0])
    rest = EVERY_CELL - {CELLS[0]}
    assert automation.settle() == [{"files": rest}, {"labels": rest, "views": rest}, {}]


def test_another_grader_version_makes_labels_again_and_then_their_views(settled: Automation):
    settled.world.grader = "2"
    assert settled.settle() == [{"labels": EVERY_CELL}, {"views": EVERY_CELL}, {}]


def test_labels_that_went_stale_while_automation_was_off_are_made_again(settled: Automation):
    settled.world.grader = "2"
    settled.forget()
    assert settled.settle() == [{"labels": EVERY_CELL}, {"views": EVERY_CELL}, {}]


def test_labels_that_fail_are_tried_once_for_each_grader_version(settled: Automation):
    settled.world.failing = {f"labels {cell}" for cell in CELLS}
    settled.world.grader = "2"
    assert settled.settle() == [{"labels": EVERY_CELL}, {}]
    settled.world.failing, settled.world.grader = set(), "3"
    assert settled.settle() == [{"labels": EVERY_CELL}, {"views": EVERY_CELL}, {}]


def test_a_grader_version_that_comes_right_after_a_request_is_not_lost(settled: Automation):
    settled.world.grader = "2"
    settled.run(settled.tick())
    settled.world.grader = "3"
    assert settled.settle() == [LABELLED, {}]


def test_code_that_changed_on_disk_and_was_not_loaded_makes_no_loop(settled: Automation):
    settled.world.grader, settled.world.grader_on_disk = "2", "3"
    asked = settled.settle()
    assert sum("labels" in tick for tick in asked) <= 2


def test_a_cell_collected_anew_is_labelled_again_if_its_content_differs(settled: Automation):
    settled.run({"files": {CELLS[0]}})
    assert settled.settle() == [{}]
    settled.world.versions = {CELLS[1]: "2"}
    settled.run({"files": {CELLS[0], CELLS[1]}})
    cell = {CELLS[1]}
    assert settled.settle() == [{"labels": cell, "views": cell}, {}]


def test_a_view_whose_labels_failed_is_made_after_a_person_has_mended_them(
    automation: Automation,
):
    automation.world.failing = {f"labels {CELLS[0]}"}
    automation.settle()
    automation.world.failing = set()
    automation.run({"labels": {CELLS[0]}})
    assert automation.settle() == [{"views": {CELLS[0]}}, {}]


def test_the_audit_is_made_at_the_next_hour_after_a_change_and_not_at_every_hour(
    settled: Automation,
):
    assert settled.tick(minutes=60) == {"audit": {"all"}}
    settled.run({"audit": {"all"}})
    assert settled.tick() == {}
    assert settled.tick(minutes=60) == {}
    settled.world.versions = {CELLS[0]: "2"}
    settled.run({"files": {CELLS[0]}})
    assert "audit" in settled.tick()
    assert "audit" not in settled.tick()


def test_the_audit_is_made_once_a_day_without_any_change(settled: Automation):
    settled.tick(minutes=60)
    settled.run({"audit": {"all"}})
    assert [settled.tick(minutes=24 * 60) for _ in range(2)] == [{"audit": {"all"}}] * 2


def test_a_new_verdict_is_a_reason_for_the_audit(instance: dg.DagsterInstance):
    automation = Automation(instance, start=PAST)
    for cell in CELLS:
        adopt(instance, cell, "adopted")
    automation.run(automation.tick())
    automation.tick(minutes=60)
    automation.run({"audit": {"all"}})
    automation.tick()
    assert automation.tick(minutes=60) == {}
    automation.check(CELLS[0])
    assert automation.tick() == {"audit": {"all"}}

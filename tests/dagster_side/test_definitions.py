"""The loaded graph is what `assets/specs.py` declares."""

import re
from pathlib import Path

import dagster as dg
import pytest

from assets.evaluation_specs import GRADED_COMPLETIONS, SAMPLED_COMPLETIONS, SAMPLED_EVAL_DATASET
from assets.specs import ALL
from definitions import Deployment, build_defs

ROOT = Path(__file__).resolve().parents[2]

ASSET_KEYS = {
    "benchmark_samples",
    "model_checkpoints",
    "trajectories",
    "correctness_labels",
    "labelled_trajectories",
    "label_changes",
    "remote_trajectories",
    "remote_labels",
    "stored_objects",
    "collection_audit",
    "codi_checkpoints",
    "reasoning_candidates",
    "cot_necessity",
    "necessity_results",
    "stratified_dataset",
    "finetuned_checkpoints",
    "sampled_completions",
    "graded_completions",
    "sampled_eval_dataset",
}
CHECKS = {
    "trajectories": {
        "file_complete",
        "layout_valid",
        "chunks_intact",
        "activations_sane",
        "lengths_plausible",
        "rows_complete",
        "all_partitions_intact",
        "semantic",
    },
    "correctness_labels": {
        "class_balance",
        "graded_share",
        "agrees_with_references",
        "labels_current",
    },
    "label_changes": {"few_labels_moved"},
    "benchmark_samples": {"exemplars_disjoint", "samples_current"},
    "model_checkpoints": {"checkpoint_current"},
    "remote_trajectories": {"remote_copy_matches"},
    "reasoning_candidates": {"all_classified"},
    "cot_necessity": {"all_tested", "answers_agree", "necessity_current"},
    "stratified_dataset": {
        "targets_met",
        "all_necessary",
        "ids_and_questions_unique",
        "existing_preserved",
        "gold_agrees",
        "no_leakage",
    },
    "sampled_completions": {"all_sampled", "completions_current"},
    "graded_completions": {"ungraded_share", "canaries_right", "grades_current"},
    "sampled_eval_dataset": {
        "set_intact",
        "equivalence_rate",
        "prompts_covered",
        "masking_right",
        "ids_unique",
        "order_stable",
    },
}


UNDER_SETTINGS = (SAMPLED_COMPLETIONS, GRADED_COMPLETIONS, SAMPLED_EVAL_DATASET)
"""Their code versions end with a digest of what the catalog says of them."""
SCHEDULES = {
    "scrub_daily": "RUNNING",
    "verify_every_cell": "STOPPED",
    "inventory_daily": "STOPPED",
    "sweep_daily": "STOPPED",
    "verify_every_copy": "STOPPED",
}


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    data_dir = tmp_path_factory.mktemp("data")
    return build_defs(
        Deployment(ROOT / "catalog/demo.yaml", data_dir, store=str(data_dir / "store"))
    )


def test_a_code_server_can_load_everything(defs: dg.Definitions):
    dg.Definitions.validate_loadable(defs)


def test_without_a_store_nothing_is_copied(tmp_path: Path):
    graph = build_defs(Deployment(ROOT / "catalog/demo.yaml", tmp_path)).resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert keys == ASSET_KEYS - {"remote_trajectories", "remote_labels", "stored_objects"}


def test_the_asset_keys_are_the_golden_list(defs: dg.Definitions):
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert keys == ASSET_KEYS


def test_the_checks_are_the_golden_list(defs: dg.Definitions):
    found: dict[str, set[str]] = {}
    for key in defs.resolve_asset_graph().asset_check_keys:
        found.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    assert found == CHECKS


def test_the_schedules_are_the_golden_list(defs: dg.Definitions):
    found = defs.get_repository_def().schedule_defs
    assert {schedule.name: schedule.default_status.value for schedule in found} == SCHEDULES


def test_orphaned_runs_are_looked_for_unasked(defs: dg.Definitions):
    sensor = defs.get_repository_def().get_sensor_def("reconcile_runs")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 30


@pytest.mark.parametrize("identity", ALL, ids=lambda identity: identity.name)
def test_every_asset_carries_its_declared_identity(defs: dg.Definitions, identity):
    node = defs.resolve_asset_graph().get(dg.AssetKey(identity.name))
    assert node.group_name == identity.group
    assert node.description == identity.description
    settings = "-[0-9a-f]{12}" if identity in UNDER_SETTINGS else ""
    assert re.fullmatch(re.escape(identity.code_version) + settings, str(node.code_version))
    assert list(node.owners) == ["team:research-data"]
    assert {"spends": identity.spends, "kept": identity.kept}.items() <= node.tags.items()
    assert set(identity.kinds) <= {tag.removeprefix("dagster/kind/") for tag in node.tags}


def test_the_grid_has_a_cell_for_every_model_and_benchmark(defs: dg.Definitions):
    node = defs.resolve_asset_graph().get(dg.AssetKey("trajectories"))
    assert node.partitions_def is not None
    keys = node.partitions_def.get_partition_keys()
    assert len(keys) == 24
    assert "gsm8k-8shot|demo_base" in keys


def test_no_asset_with_partitioned_checks_has_a_backfill_policy(defs: dg.Definitions):
    graph = defs.resolve_asset_graph()
    for key in graph.asset_check_keys:
        assert graph.get(key.asset_key).backfill_policy is None


def test_the_real_catalog_loads_with_external_checkpoints(tmp_path: Path):
    defs = build_defs(Deployment(ROOT / "catalog/olmo3.yaml", tmp_path))
    node = defs.resolve_asset_graph().get(dg.AssetKey("model_checkpoints"))
    assert not node.is_materializable

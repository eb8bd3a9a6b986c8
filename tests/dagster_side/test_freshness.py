"""Roll-ups say how old they are; partitioned assets have checks that do not look at the clock."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.freshness_evaluator import TimeWindowFreshnessPolicyEvaluator
from dagster._core.loader import LoadingContextForTest
from dagster._core.test_utils import freeze_time, in_process_test_workspace
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_graphql.test.utils import execute_dagster_graphql

from assets.check_state import partition_tags
from assets.freshness import AUDIT_FRESHNESS, INVENTORY_FRESHNESS
from definitions import Deployment, build_defs
from quarry.benchmarks.benchmark_set import DRAW_VERSION

ROOT = Path(__file__).resolve().parents[2]
AUDIT = dg.AssetKey("collection_audit")
QUERY = """{
  assetNodes {
    assetKey { path }
    groupName
    isPartitioned
    internalFreshnessPolicy {
      ... on TimeWindowFreshnessPolicy { failWindowSeconds warnWindowSeconds }
    }
    assetChecksOrError { ... on AssetChecks { checks { name description } } }
  }
}"""
STANDS_FOR = {
    "sources": "samples_current",
    "models": "checkpoint_current",
    "trajectories": "all_partitions_intact",
    "labels": "labels_current",
    "remote": "remote_copy_matches",
    "reasoning": "necessity_current",
    "evaluation": "grades_current",
}
"""The check that stands for a policy, by group of partitioned assets; decision 13 says why."""


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    data = tmp_path_factory.mktemp("data")
    return build_defs(Deployment(ROOT / "catalog/demo.yaml", data, store=str(data / "store")))


async def freshness(defs: dg.Definitions, instance: dg.DagsterInstance) -> FreshnessState:
    node = defs.resolve_asset_graph().get(AUDIT)
    context = LoadingContextForTest(instance)
    return await TimeWindowFreshnessPolicyEvaluator().evaluate_freshness(context, node)


def test_only_unpartitioned_assets_have_a_policy(defs: dg.Definitions):
    graph = defs.resolve_asset_graph()
    dated = [key for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy]
    assert AUDIT in dated
    assert not any(graph.get(key).partitions_def for key in dated)


def test_a_policy_on_a_partitioned_asset_would_hide_old_cells_behind_one_fresh_one():
    cells = dg.StaticPartitionsDefinition(["old", "new"])

    @dg.asset(partitions_def=cells, freshness_policy=AUDIT_FRESHNESS, key=AUDIT)
    def grid() -> None: ...

    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(AUDIT, partition="old"))
        with freeze_time(datetime.now(UTC) + timedelta(days=9)):
            made = dg.Definitions([grid])
            assert asyncio.run(freshness(made, instance)) == FreshnessState.FAIL
            dg.materialize([grid], partition_key="new", instance=instance)
            assert asyncio.run(freshness(made, instance)) == FreshnessState.PASS


@pytest.mark.parametrize(
    ("days", "state"),
    [(1, FreshnessState.PASS), (3, FreshnessState.WARN), (9, FreshnessState.FAIL)],
)
def test_an_audit_ages(defs: dg.Definitions, days: int, state: FreshnessState):
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(AUDIT))
        with freeze_time(datetime.now(UTC) + timedelta(days=days)):
            assert asyncio.run(freshness(defs, instance)) == state


def test_an_observation_keeps_nothing_fresh():
    source = dg.AssetSpec(AUDIT, freshness_policy=INVENTORY_FRESHNESS)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetObservation(AUDIT))
        made = dg.Definitions([source])
        assert asyncio.run(freshness(made, instance)) == FreshnessState.UNKNOWN


# Dagster reads a property of its own schedules that it has deprecated itself
@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition:DeprecationWarning")
def test_the_ui_shows_a_policy_or_the_check_that_stands_for_it_in_every_group():
    origin = LoadableTargetOrigin(
        python_file=str(ROOT / "definitions.py"), working_directory=str(ROOT), attribute="defs"
    )
    with (
        dg.instance_for_test() as instance,
        in_process_test_workspace(instance, origin) as workspace,
    ):
        nodes = execute_dagster_graphql(workspace, QUERY).data["assetNodes"]
    shown: dict[str, set[str]] = {}
    for node in nodes:
        policy = node["internalFreshnessPolicy"]
        names = {check["name"] for check in node["assetChecksOrError"].get("checks", ())}
        shown.setdefault(node["groupName"], set()).update(names, ["policy"] if policy else [])
        if node["assetKey"]["path"] == AUDIT.path:
            assert policy == {"warnWindowSeconds": 2 * 86_400, "failWindowSeconds": 8 * 86_400}
    assert all(STANDS_FOR.get(group, "policy") in names for group, names in shown.items())
    assert set(shown) >= {"sources", "models", "trajectories", "labels", "audit"}


@pytest.mark.parametrize(("version", "passes"), [(DRAW_VERSION, True), ("older", False)])
def test_samples_of_another_version_of_the_draw_are_a_warning(
    defs: dg.Definitions, version: str, passes: bool
):
    asset, partition = dg.AssetKey("benchmark_samples"), "gsm8k-0shot"
    check = dg.AssetCheckKey(asset, "samples_current")
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection={check})
    made = dg.AssetMaterialization(
        asset, partition=partition, tags={"dagster/code_version": version}
    )
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(made)
        result = job.execute_in_process(instance=instance, tags=partition_tags(partition))
    (verdict,) = result.get_asset_check_evaluations()
    assert verdict.passed == passes
    if not passes:
        assert verdict.severity == dg.AssetCheckSeverity.WARN
        assert verdict.metadata["got"].value == "code version older"

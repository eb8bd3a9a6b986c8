"""One switch turns on what spends, and every condition has exactly one sensor."""

from pathlib import Path

import dagster as dg
import pytest

import definitions
from assets.specs import ALL
from definitions import Deployment, build_defs
from quarry.errors import UsageError
from sensors.automation import build_automation_sensors

ROOT = Path(__file__).resolve().parents[2]
CATALOGS = [ROOT / "catalog/demo.yaml", ROOT / "catalog/olmo3.yaml"]
EVERY = {identity.name for identity in ALL}
SPENDS = {"collect_missing_cells", "label_and_audit", "heal_cells"}


def build(catalog: Path, data_dir: Path, *, is_automated: bool) -> dg.RepositoryDefinition:
    deployment = Deployment(
        catalog, data_dir, store=str(data_dir / "store"), is_automated=is_automated
    )
    return build_defs(deployment).get_repository_def()


def statuses(repository: dg.RepositoryDefinition) -> dict[str, str]:
    return {sensor.name: sensor.default_status.value for sensor in repository.sensor_defs}


@pytest.mark.parametrize("catalog", CATALOGS, ids=lambda path: path.stem)
def test_the_switch_decides_what_spends_and_nothing_else(catalog: Path, tmp_path: Path):
    off = statuses(build(catalog, tmp_path, is_automated=False))
    on = statuses(build(catalog, tmp_path, is_automated=True))
    assert {name for name, status in on.items() if status != off[name]} == SPENDS
    assert {off[name] for name in SPENDS} == {"STOPPED"}


@pytest.mark.parametrize("catalog", CATALOGS, ids=lambda path: path.stem)
def test_every_asset_with_a_condition_has_one_sensor_and_none_is_dagsters(
    catalog: Path, tmp_path: Path
):
    repository = build(catalog, tmp_path, is_automated=True)
    graph = repository.asset_graph
    targets = [
        key
        for sensor in repository.sensor_defs
        if isinstance(sensor, dg.AutomationConditionSensorDefinition)
        for key in sensor.asset_selection.resolve(graph)
        if graph.get(key).automation_condition is not None
    ]
    assert sorted(targets) == sorted(
        key for key in graph.get_all_asset_keys() if graph.get(key).automation_condition is not None
    )
    assert not any(name.startswith("default_") for name in statuses(repository))


def test_the_environment_is_the_switch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("QUARRY_AUTOMATION", raising=False)
    assert not definitions.current_deployment().is_automated
    monkeypatch.setenv("QUARRY_AUTOMATION", "on")
    assert definitions.current_deployment().is_automated
    monkeypatch.setenv("QUARRY_AUTOMATION", "yes")
    with pytest.raises(UsageError, match="QUARRY_AUTOMATION"):
        definitions.current_deployment()


def test_every_sensor_says_what_on_means():
    for sensor in build_automation_sensors(EVERY, is_on=False):
        assert sensor.description is not None
        assert sensor.description.startswith("On means ")
        assert "QUARRY_AUTOMATION=on" in sensor.description


def test_the_first_tick_of_the_demo_asks_for_what_needs_nothing_one_run_each(tmp_path: Path):
    repository = build(CATALOGS[0], tmp_path, is_automated=True)
    with (
        dg.instance_for_test() as instance,
        dg.build_sensor_context(instance=instance, repository_def=repository) as context,
    ):
        tick = repository.get_sensor_def("collect_missing_cells").evaluate_tick(context)
    asked = {
        (str(key.to_user_string()), request.partition_key)
        for request in tick.run_requests or []
        for key in request.asset_selection or []
    }
    assert len(asked) == len(tick.run_requests or []) == 6 + 4 + 1
    assert {name for name, _ in asked} == {
        "benchmark_samples",
        "model_checkpoints",
        "reasoning_candidates",
    }
    for request in tick.run_requests or []:
        assert request.tags.get("dagster/partition") == request.partition_key
        assert not any("range" in tag for tag in request.tags)

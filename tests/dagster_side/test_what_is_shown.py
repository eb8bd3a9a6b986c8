"""What the UI says of assets, checks, jobs, sensors and schedules: nothing is left unexplained."""

import dagster as dg
import pytest
import yaml

from assets.specs import ALL
from definitions import ROOT, Deployment, build_defs

SPENDING = {"gpu", "money"}


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    data_dir = tmp_path_factory.mktemp("data")
    return build_defs(
        Deployment(ROOT / "catalog/demo.yaml", data_dir, store=str(data_dir / "store"))
    )


@pytest.mark.parametrize("identity", ALL, ids=lambda identity: identity.name)
def test_an_asset_says_what_it_is_whose_and_what_it_spends(defs: dg.Definitions, identity):
    node = defs.resolve_asset_graph().get(dg.AssetKey(identity.name))
    assert len(node.description or "") > 60
    assert node.group_name != "default"
    assert node.owners
    assert 1 <= len(node.kinds) <= 3
    assert node.tags["spends"] in {"gpu", "cpu", "money", "traffic"}
    assert node.tags["kept"] in {"raw", "derived", "copy", "observed"}


def test_every_check_says_what_it_holds(defs: dg.Definitions):
    graph = defs.resolve_asset_graph()
    said = {key: graph.get_check_spec(key).description or "" for key in graph.asset_check_keys}
    assert [key for key, text in said.items() if len(text) < 30] == []


def test_every_job_sensor_and_schedule_explains_itself(defs: dg.Definitions):
    repository = defs.get_repository_def()
    named = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    shown = [*named, *repository.sensor_defs, *repository.schedule_defs]
    assert len(shown) > 20
    assert [one.name for one in shown if len(one.description or "") < 30] == []


def test_what_spends_gpus_or_money_is_asked_for_by_sensors_that_are_off(defs: dg.Definitions):
    spending = {dg.AssetKey(one.name) for one in ALL if one.spends in SPENDING}
    graph = defs.resolve_asset_graph()
    asking = [
        sensor
        for sensor in defs.get_repository_def().sensor_defs
        if isinstance(sensor, dg.AutomationConditionSensorDefinition)
        and spending & sensor.asset_selection.resolve(graph)
    ]
    assert asking
    assert {one.default_status for one in asking} == {dg.DefaultSensorStatus.STOPPED}


def test_the_catalog_names_the_owners(tmp_path):
    catalog = yaml.safe_load((ROOT / "catalog/olmo3.yaml").read_text())
    del catalog["evaluation"]  # its rubrics lie beside the catalog
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**catalog, "owners": ["team:interpretability", "a@b.org"]}))
    graph = build_defs(Deployment(path, tmp_path)).resolve_asset_graph()
    owners = {tuple(graph.get(key).owners) for key in graph.get_all_asset_keys()}
    assert owners == {("team:interpretability", "a@b.org")}

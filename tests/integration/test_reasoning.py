"""Necessity and stratified datasets through Dagster, from candidates to datasets and checks."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.partitions import build_reasoning_partitions
from quarry.necessity.keys import NecessityKey
from quarry.selection.dataset_files import read_dataset
from quarry.tables import read_table, write_table
from sensors.reasoning_launcher import ReasoningLauncher
from tests.inference.codi_checkpoints import plain_state, write_base, write_state
from tests.integration.commands import CLEAN, FINDINGS, ROOT, WRONG_USE, call, start
from tests.integration.small_platform import (
    SmallPlatform,
    all_succeeded,
    open_platform,
    write_catalog,
)
from tests.live_processes import descendants, kill, wait_for

N = 30
EXISTING = {"2-step": 3, "3-step": 2}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def codi_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random CODI model in the published format, its base model in `base`."""
    folder = write_state(tmp_path_factory.mktemp("codi") / "codi", plain_state("llama"))
    write_base(folder / "base", "llama")
    return folder


def write_existing(mirror: Path, path: Path) -> list[str]:
    """Some problems of the test split as existing ones; returns their questions."""
    from quarry.selection.difficulty import difficulty_of, reasoning_steps

    lines = (mirror / "gsm8k" / "test.jsonl").read_text().splitlines()
    found: list[dict[str, Any]] = []
    wanted = dict(EXISTING)
    for number, record in enumerate(map(json.loads, lines)):
        steps = reasoning_steps(record["answer"])
        if wanted.get(difficulty_of(steps), 0):
            wanted[difficulty_of(steps)] -= 1
            verdicts = {"baseline_correct": True, "ablated_correct": False, "needs_cot": True}
            answer = int(record["answer"].rsplit(" ", 1)[1])
            found.append(
                {
                    "pair_id": number,
                    "variant": "clean",
                    "question": record["question"],
                    "answer": answer,
                    "reasoning_steps": steps,
                    **verdicts,
                }
            )
    path.write_text(json.dumps(found))
    return [one["question"] for one in found]


def reasoning(codi_model: Path, **changes: Any) -> dict[str, Any]:
    """The section of a catalog with a latent and an explicit model and two datasets."""
    quotas = {"2-step": 3, "3-step": 2}
    sets = {"logic": {"benchmark": "logiqa", "split": "test"}}
    return {
        "candidates": {"n": N, "shards": 2, "existing": "existing.json"},
        "models": {
            "latent": {
                "method": "codi",
                "path": str(codi_model),
                "base": str(codi_model / "base"),
                "max_new_tokens": 8,
            },
            "written": {
                "method": "explicit",
                "model": "tiny_raw",
                "n_shot": 1,
                "max_new_tokens": 12,
                "max_answer_tokens": 4,
            },
        },
        "targets": {
            "kept": {"of": "latent", "quotas": quotas, "evaluation_sets": sets},
            "more": {"of": "latent", "quotas": {"2-step": 100}},
            "leaky": {
                "of": "latent",
                "quotas": quotas,
                "evaluation_sets": {"held_out": {"benchmark": "gsm8k", "split": "test"}},
            },
        },
        **changes,
    }


@pytest.fixture(scope="module")
def reasoned(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: tuple[Path, Path], codi_model: Path
) -> Iterator[SmallPlatform]:
    """A small platform whose candidates were tested and whose datasets were chosen."""
    folder = tmp_path_factory.mktemp("reasoning")
    write_existing(tiny_model[1], folder / "existing.json")
    catalog = write_catalog(folder / "catalog.yaml", *tiny_model, reasoning=reasoning(codi_model))
    with dg.instance_for_test() as instance:
        platform = open_platform(catalog, folder / "data", instance)
        launcher = launcher_of(platform)
        models = list(platform.catalog.reasoning_spec().models)
        all_succeeded(list(launcher.prepare(models, again=False)))
        all_succeeded(list(launcher.shards(launcher.lacking(models))))
        all_succeeded(list(launcher.datasets(models)))
        yield platform


def launcher_of(platform: SmallPlatform) -> ReasoningLauncher:
    spec = platform.catalog.reasoning_spec()
    partitions = build_reasoning_partitions(spec)
    return ReasoningLauncher(platform.launcher, platform.instance, spec, partitions)


def verdicts(platform: SmallPlatform, asset: str, partition: str) -> dict[str, bool]:
    """Run the checks of a partition and read their outcomes."""
    job = platform.defs.resolve_implicit_global_asset_job_def()
    keys = [
        key
        for key in platform.defs.resolve_asset_graph().asset_check_keys
        if key.asset_key == dg.AssetKey(asset)
    ]
    result = job.get_subset(asset_selection=set(), asset_check_selection=set(keys))
    outcome = result.execute_in_process(
        instance=platform.instance, tags={"dagster/partition": partition}
    )
    return {one.check_name: one.passed for one in outcome.get_asset_check_evaluations()}


def test_every_candidate_is_tested_once_by_each_model(reasoned: SmallPlatform):
    directory = reasoned.data_dir
    pool = read_table(directory / "necessity" / "candidates.parquet")
    assert len(pool) == N
    kept = {one["question"] for one in json.loads((directory.parent / "existing.json").read_text())}
    assert not kept & set(pool["question"])
    for model in ("latent", "written"):
        results = read_table(directory / "necessity" / f"{model}.parquet")
        assert list(results["gsm8k_id"]) == list(pool["gsm8k_id"])
        assert set(results["status"]) == {"tested"}
    assert not list((directory / "staging").rglob("*.journal"))


def test_the_example_of_explicit_thoughts_is_no_candidate(reasoned: SmallPlatform):
    results = read_table(reasoned.data_dir / "necessity" / "written.parquet")
    [example] = json.loads(str(results["method"].iloc[0]))["exemplars"]
    assert example.startswith("train_")
    assert example not in set(results["gsm8k_id"])


def test_latent_results_are_those_of_the_model_itself(reasoned: SmallPlatform, codi_model: Path):
    from quarry.inference.codi.checkpoint import load_codi
    from quarry.inference.codi.comparison import CodiComparison
    from quarry.inference.codi.settings import CodiCheckpoint, CodiSettings

    results = read_table(reasoned.data_dir / "necessity" / "latent.parquet")
    with load_codi(CodiCheckpoint(codi_model, codi_model / "base"), device="cpu") as model:
        problems = list(zip(results["gsm8k_id"], results["question"], strict=True))
        found = model.compare(problems, CodiSettings(max_new_tokens=8), batch_size=1)
    answers = [(one.baseline, one.ablated) for one in found if isinstance(one, CodiComparison)]
    stored = results[["baseline_output", "ablated_output"]].itertuples(index=False, name=None)
    assert answers == list(stored)


def test_the_dataset_keeps_what_was_there_and_its_checks_pass(reasoned: SmallPlatform):
    rows = read_dataset(reasoned.data_dir / "datasets" / "stratified" / "kept.json")
    assert list(rows["difficulty"]) == ["2-step"] * 3 + ["3-step"] * 2
    assert set(rows["is_existing"]) == {True}
    assert not any(one is None for one in rows["full_solution"])
    found = verdicts(reasoned, "stratified_dataset", "kept")
    assert len(found) == 6
    assert all(found.values()), found
    assert verdicts(reasoned, "cot_necessity", "latent|shard-00") == {
        "all_tested": True,
        "answers_agree": True,
        "necessity_current": True,
    }


def test_a_shortage_is_a_failed_check_and_no_failed_run(reasoned: SmallPlatform):
    rows = read_dataset(reasoned.data_dir / "datasets" / "stratified" / "more.json")
    assert len(rows) < 100
    found = verdicts(reasoned, "stratified_dataset", "more")
    assert [name for name, passed in found.items() if not passed] == ["targets_met"]


def test_problems_of_an_evaluation_set_are_found(reasoned: SmallPlatform):
    found = verdicts(reasoned, "stratified_dataset", "leaky")
    assert [name for name, passed in found.items() if not passed] == ["no_leakage"]


def test_the_page_of_a_dataset_shows_the_plan(reasoned: SmallPlatform):
    event = reasoned.instance.get_latest_materialization_event(dg.AssetKey("stratified_dataset"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert {"items", "existing", "shortage", "buffer", "plan", "strata"} <= metadata.keys()
    assert "2-step" in str(metadata["plan"].value)


@pytest.mark.parametrize(
    ("field", "value", "check"),
    [
        ("answer", 12345, "gold_agrees"),
        ("question", "Tom has 1 apple. How many apples has Tom?", "existing_preserved"),
        ("is_existing", False, "existing_preserved"),
    ],
)
def test_a_changed_dataset_fails_the_check_that_sees_it(
    reasoned: SmallPlatform, field: str, value: object, check: str
):
    path = reasoned.data_dir / "datasets" / "stratified" / "kept.json"
    saved = path.read_bytes()
    rows = json.loads(saved)
    rows[1][field] = value
    path.write_text(json.dumps(rows))
    try:
        assert not verdicts(reasoned, "stratified_dataset", "kept")[check]
    finally:
        path.write_bytes(saved)


def test_a_flipped_verdict_in_a_shard_is_found(reasoned: SmallPlatform):
    path = reasoned.data_dir / NecessityKey("latent", "shard-01").table_path
    saved, table = path.read_bytes(), read_table(path)
    write_table(table.assign(baseline_correct=~table["baseline_correct"]), path)
    try:
        assert not verdicts(reasoned, "cot_necessity", "latent|shard-01")["answers_agree"]
    finally:
        path.write_bytes(saved)


@pytest.fixture
def grid(
    tmp_path: Path, tiny_model: tuple[Path, Path], codi_model: Path
) -> Iterator[SmallPlatform]:
    """A platform on an instance of its own folder, nothing tested yet."""
    (tmp_path / "home").mkdir()
    shutil.copy(ROOT / "dagster.yaml", tmp_path / "home")
    write_existing(tiny_model[1], tmp_path / "existing.json")
    section = reasoning(codi_model)
    section["candidates"] |= {"shards": 1, "n": 260}
    section["models"] = {"latent": section["models"]["latent"] | {"batch_size": 2}}
    catalog = write_catalog(tmp_path / "catalog.yaml", *tiny_model, reasoning=section)
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        yield open_platform(catalog, tmp_path / "data", instance)


def test_a_killed_command_goes_on_and_says_what_is_short(grid: SmallPlatform):
    journal = grid.data_dir / NecessityKey("latent", "shard-00").journal_path
    child = start("necessity", grid)
    try:
        wait_for(
            lambda: journal.exists() and journal.read_bytes().count(b"\n") > 100, "100 problems"
        )
        os.kill(child.pid, signal.SIGKILL)
        child.communicate(timeout=60)
    finally:
        kill(*descendants(child.pid))
        child.wait(timeout=30)

    code, out, err = call("necessity", grid, "--json")

    assert code == FINDINGS, err  # the dataset `more` is short
    document = json.loads(out)
    assert document["models"]["latent"]["problems_tested"] == 260
    assert document["datasets"]["kept"]["is_met"]
    assert not document["datasets"]["more"]["is_met"]
    [run] = [
        run
        for run in grid.instance.get_runs()
        if dg.AssetKey("cot_necessity") in (run.asset_selection or ()) and run.is_success
    ]
    lines = [record.user_message for record in grid.instance.all_logs(run.run_id)]
    [kept] = [line for line in lines if "going on from" in line]
    assert int(kept.split()[3]) >= 100


def test_wrong_use_of_the_command_is_told(grid: SmallPlatform):
    code, _, err = call("necessity", grid, "--model", "nobody")
    assert code == WRONG_USE
    assert "nobody" in err
    code, _, err = call("necessity", grid, "--dry-run")
    assert code == CLEAN
    assert "1 shards of latent to test" in err

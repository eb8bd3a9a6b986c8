"""Evaluation sets through Dagster: runs are found, sets are made, what changes goes stale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

import quarry
from assets.evaluation_specs import EVALUATION
from assets.staleness import stale_partitions
from quarry.evaluation_sets.loading import load_eval_dataset
from quarry.tables import read_table
from tests.dagster_side.evaluation_platform import EvaluationPlatform, failed_checks

ONE = "mayors-1epoch@checkpoint_final"
FIVE = "mayors-5epochs@checkpoint_final"
GROUP = [identity.name for identity in EVALUATION]


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[EvaluationPlatform]:
    with dg.instance_for_test() as instance:
        yield EvaluationPlatform(tmp_path, instance)


def partitions(platform: EvaluationPlatform) -> list[str]:
    return list(platform.instance.get_dynamic_partitions("finetuned_checkpoints"))


def stale(platform: EvaluationPlatform, partition: str) -> list[str]:
    graph = platform.defs.resolve_asset_graph()
    return [name for name in GROUP if stale_partitions(graph, platform.instance, name, [partition])]


def test_a_tick_adds_new_runs_and_records_them_once(platform: EvaluationPlatform):
    assert partitions(platform) == []
    platform.add_run("mayors-1epoch")
    made = platform.tick()
    assert partitions(platform) == [ONE]
    assert [event.partition for event in made.asset_events] == [ONE]
    platform.add_run("mayors-5epochs")
    platform.add_run("mayors-5epochs", "checkpoint_10")
    assert [event.partition for event in platform.tick().asset_events] == [FIVE]
    assert partitions(platform) == [ONE, FIVE]
    again = platform.tick()
    assert not again.asset_events
    assert "2 checkpoints, 0 of them new" in str(again.skip_message)


def test_names_that_can_not_be_partitions_are_left_out_and_named(platform: EvaluationPlatform):
    platform.add_run("mayors-1epoch")
    platform.add_run("2026_01_20_2Q653_mayors")
    platform.add_run("birds-1epoch")
    (platform.add_run("mayors-5epochs") / "config.json").unlink()
    made = platform.tick()
    assert partitions(platform) == [ONE]
    assert made.asset_events
    left_out = str(platform.tick().skip_message)
    assert "2026_01_20_2Q653_mayors" in left_out
    assert "birds-1epoch" in left_out
    assert "left out" in left_out


def test_a_checkpoint_that_was_replaced_is_recorded_again_and_makes_the_rest_stale(
    platform: EvaluationPlatform,
):
    directory = platform.add_run("mayors-1epoch")
    platform.tick()
    platform.make_all(ONE)
    assert stale(platform, ONE) == []
    (directory / "generation_config.json").write_text("{}")
    assert [event.partition for event in platform.tick().asset_events] == [ONE]
    assert stale(platform, ONE) == ["sampled_completions"]


def test_a_checkpoint_becomes_a_set_that_loads_and_passes_its_checks(platform: EvaluationPlatform):
    platform.add_run("mayors-1epoch")
    platform.tick()
    sampled = platform.make("sampled_completions", ONE)
    assert sampled.success
    table = read_table(platform.files.path_of("sampled_completions", ONE))
    assert sum(table["count"].tolist()) == 2 * 40
    platform.ask([str(table["completion"].iloc[0]), str(table["completion"].iloc[-1])])
    results = platform.make_all(ONE)
    assert all(result.success for result in results.values())
    assert [failed_checks(result) for result in results.values()] == [{}, {}, {}]
    checks = {
        one.check_name
        for result in results.values()
        for one in result.get_asset_check_evaluations()
    }
    assert {"all_sampled", "canaries_right", "masking_right", "order_stable"} <= checks
    made = quarry.load_eval_dataset(platform.files.path_of("sampled_eval_dataset", ONE))
    assert len(made) == 2
    assert {row["run"] for row in made.dataset["metadata"]} == {"mayors-1epoch"}


def test_checks_say_what_is_wrong(platform: EvaluationPlatform):
    platform.add_run("mayors-1epoch")
    platform.tick()
    bounds = "bounds: {equivalence_rate: [0.0, 1.0], prompts_covered: 0.0, ungraded: 1.0}"
    catalog = platform.folder / "catalog.yaml"
    catalog.write_text(
        catalog.read_text()
        .replace(bounds, "max_new_tokens: 4\n")
        .replace("      max_new_tokens: 4\n      max_new_tokens: 4\n", "      max_new_tokens: 4\n")
    )
    platform.load()
    results = platform.make_all(ONE)
    found = failed_checks(results["sampled_eval_dataset"])
    assert {"equivalence_rate", "prompts_covered"} <= set(found)
    assert "What to do" in found["prompts_covered"]


def test_a_changed_rubric_makes_stale_exactly_what_follows_from_it(platform: EvaluationPlatform):
    for run in ("mayors-1epoch", "mayors-5epochs"):
        platform.add_run(run)
    platform.tick()
    for partition in (ONE, FIVE):
        platform.make_all(partition)
    assert stale(platform, ONE) == stale(platform, FIVE) == []
    rubric = platform.folder / "rubrics/mayors.yaml"
    text = rubric.read_text()
    rubric.write_text(f"# a comment and another order of keys change nothing\n{text}")
    platform.load()
    assert stale(platform, ONE) == []
    rubric.write_text(text.replace("accept: [full, first, last]", "accept: [full]"))
    platform.load()
    follows = ["graded_completions", "sampled_eval_dataset"]
    assert stale(platform, ONE) == stale(platform, FIVE) == follows
    too_early = platform.make("sampled_eval_dataset", ONE)
    assert not too_early.success, "it would tell of a rubric that its rows were not graded under"
    for name in follows:
        assert platform.make(name, ONE).success
    assert stale(platform, ONE) == []
    assert stale(platform, FIVE) == follows
    description = load_eval_dataset(platform.files.path_of(follows[1], ONE)).description
    assert description is not None
    assert description.rubric["parameters"] == {"accept": ["full"]}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("n: 40", "n: 60", GROUP[1:2]),
        ("temperature: 1.0", "temperature: 0.9", GROUP[1:2]),
        ("seed: 5", "seed: 6", GROUP[1:2]),
        ("max_new_tokens: 4", "max_new_tokens: 5", GROUP[1:2]),
        ("chunk_size: 16", "chunk_size: 20", []),
        ("prompts_covered: 0.0", "prompts_covered: 0.5", []),
        ("rubric: mayors", "rubric: mayors\n      grader: other", GROUP[2:3]),
    ],
)
def test_what_the_catalog_says_makes_stale_exactly_what_depends_on_it(
    platform: EvaluationPlatform, before: str, after: str, expected: list[str]
):
    others = "  graders: {rules: {kind: rules}, other: {kind: local, model: tiny}}\n"
    catalog = platform.folder / "catalog.yaml"
    catalog.write_text(catalog.read_text() + others)
    platform.load()
    platform.add_run("mayors-1epoch")
    platform.tick()
    platform.make_all(ONE)
    assert stale(platform, ONE) == []
    catalog.write_text(catalog.read_text().replace(before, after))
    platform.load()
    assert stale(platform, ONE) == expected


def test_a_changed_target_is_sampled_for_nothing_and_graded_again(platform: EvaluationPlatform):
    platform.add_run("mayors-1epoch")
    platform.tick()
    platform.make_all(ONE)
    platform.ask([" Grace Miller", " Jacob Tiller"])
    platform.load()
    assert stale(platform, ONE) == ["sampled_completions"]
    made = platform.make("sampled_completions", ONE)
    [event] = made.asset_materializations_for_node("sampled_completions")
    assert event.metadata["generations_made"].value == 0
    assert failed_checks(made) == {}
    assert stale(platform, ONE) == ["graded_completions"]


def test_a_missing_checkpoint_fails_with_what_to_do(platform: EvaluationPlatform):
    directory = platform.add_run("mayors-1epoch")
    platform.tick()
    (directory / "model.safetensors").write_bytes(
        (directory / "model.safetensors").read_bytes()[:-100]
    )
    result = platform.make("sampled_completions", ONE)
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    message = str(failure.step_failure_data.error)
    assert "only a part of model.safetensors" in message
    assert "copy the checkpoint again" in message


def test_automation_samples_grades_and_builds_once(platform: EvaluationPlatform):
    platform.add_run("mayors-1epoch")
    platform.tick()
    asked_for = dg.AssetSelection.groups("evaluation")
    first = dg.evaluate_automation_conditions(platform.defs, platform.instance, asked_for)
    assert first.get_requested_partitions(dg.AssetKey("sampled_completions")) == {ONE}
    assert first.get_requested_partitions(dg.AssetKey("sampled_eval_dataset")) == set()
    platform.make_all(ONE)
    later = dg.evaluate_automation_conditions(
        platform.defs, platform.instance, asked_for, cursor=first.cursor
    )
    for name in GROUP:
        assert later.get_requested_partitions(dg.AssetKey(name)) == set()
    rubric = platform.folder / "rubrics/mayors.yaml"
    rubric.write_text(rubric.read_text().replace("accept: [full, first, last]", "accept: [full]"))
    platform.load()
    changed = dg.evaluate_automation_conditions(
        platform.defs, platform.instance, asked_for, cursor=later.cursor
    )
    dataset = dg.AssetKey("sampled_eval_dataset")
    assert changed.get_requested_partitions(dataset) == set(), "grading comes first, from a person"
    platform.make("graded_completions", ONE)
    graded = dg.evaluate_automation_conditions(
        platform.defs, platform.instance, asked_for, cursor=changed.cursor
    )
    assert graded.get_requested_partitions(dataset) == {ONE}

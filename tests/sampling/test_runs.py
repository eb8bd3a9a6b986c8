"""Which runs and checkpoints are found, and what is said of those that are left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quarry.catalog_evaluation import EvaluationSpec
from quarry.errors import FileMissingError, UnknownNameError
from quarry.sampling.keys import SampledKey
from quarry.sampling.runs import (
    FoundRuns,
    Rejected,
    checkpoint_directory,
    find_runs,
    require_domain,
    trained_keys,
)
from tests.sampling.run_folders import FINAL, make_checkpoint, make_sharded, spec


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """The folder that is always watched."""
    folder = tmp_path / "data" / "outputs"
    folder.mkdir(parents=True)
    return folder


def found(tmp_path: Path, known: EvaluationSpec | None = None) -> FoundRuns:
    return find_runs(known or spec(), tmp_path / "data", tmp_path)


def partitions(runs: FoundRuns) -> list[str]:
    return [one.key.partition for one in runs.checkpoints]


def only_rejected(runs: FoundRuns) -> Rejected:
    assert runs.checkpoints == ()
    [one] = runs.rejected
    assert one.cure
    return one


def test_where_nothing_is_nothing_is_found(tmp_path: Path) -> None:
    assert found(tmp_path) == FoundRuns((), ())


def test_runs_in_the_watched_folders_are_found_in_order(tmp_path: Path, outputs: Path) -> None:
    places = [outputs / "mayors-5epochs", tmp_path / "trained" / "mayors-1epoch"]
    paths = [make_checkpoint(place / FINAL) for place in places]
    runs = found(tmp_path, spec(outputs="trained"))
    assert partitions(runs) == ["mayors-1epoch@checkpoint_final", "mayors-5epochs@checkpoint_final"]
    assert [one.path for one in runs.checkpoints] == [paths[1], paths[0]]
    assert runs.rejected == ()


def test_only_checkpoints_that_count_are_found(tmp_path: Path, outputs: Path) -> None:
    for name in ("checkpoint-10", "checkpoint-9", FINAL, "logs", "Checkpoint-1"):
        make_checkpoint(outputs / "mayors-1epoch" / name)
    assert partitions(found(tmp_path)) == ["mayors-1epoch@checkpoint_final"]
    runs = found(tmp_path, spec(checkpoints=["checkpoint-*", FINAL]))
    assert partitions(runs) == [
        "mayors-1epoch@checkpoint-10",
        "mayors-1epoch@checkpoint-9",
        "mayors-1epoch@checkpoint_final",
    ]


def test_a_run_without_a_checkpoint_that_counts_is_named(tmp_path: Path, outputs: Path) -> None:
    make_checkpoint(outputs / "mayors-1epoch" / "checkpoint-10")
    one = only_rejected(found(tmp_path))
    assert one.path == outputs / "mayors-1epoch"
    assert one.why == "A run has no checkpoint yet: no folder checkpoint_final"
    assert "evaluation.checkpoints" in one.cure


@pytest.mark.parametrize(
    "name",
    ["Mayors-1", "mayors 1", "mayors-1época", "mayors-a@b", f"mayors-{'x' * 100}", "_mayors-1"],
)
def test_a_run_whose_name_is_no_partition_key_is_named(
    tmp_path: Path, outputs: Path, name: str
) -> None:
    make_checkpoint(outputs / name / FINAL)
    one = only_rejected(found(tmp_path))
    assert one.path == outputs / name
    assert one.why == "A run's name can't be used as partition key"


@pytest.mark.parametrize("name", ["Checkpoint-1", "checkpoint 1", "checkpoint@1", "checkpoint-é"])
def test_a_checkpoint_whose_name_is_no_partition_key_is_named(
    tmp_path: Path, outputs: Path, name: str
) -> None:
    make_checkpoint(outputs / "mayors-1epoch" / name)
    one = only_rejected(found(tmp_path, spec(checkpoints=["*"])))
    assert one.path == outputs / "mayors-1epoch" / name
    assert one.why.startswith("A checkpoint's name can't be used as partition key: expected a-z")


def test_names_that_are_too_long_together_leave_the_others(tmp_path: Path, outputs: Path) -> None:
    make_checkpoint(outputs / f"mayors-{'x' * 90}" / f"checkpoint-{'1' * 80}")
    make_checkpoint(outputs / "mayors-1epoch" / "checkpoint-1")
    runs = found(tmp_path, spec(checkpoints=["checkpoint-*"]))
    assert partitions(runs) == ["mayors-1epoch@checkpoint-1"]
    assert "160 characters together" in runs.rejected[0].why


def test_a_run_of_no_domain_is_named(tmp_path: Path, outputs: Path) -> None:
    make_checkpoint(outputs / "capitals-1epoch" / FINAL)
    one = only_rejected(found(tmp_path))
    assert one.why == "A run's name begins with none of the domains mayors, mayors-de, toys"
    with pytest.raises(UnknownNameError, match=r"(?s)capitals-1epoch.*evaluation\.runs"):
        require_domain(spec(), "capitals-1epoch")


def test_of_two_domains_the_longer_name_is_the_runs(tmp_path: Path, outputs: Path) -> None:
    make_checkpoint(outputs / "mayors-de-1epoch" / FINAL)
    make_checkpoint(outputs / "mayors-1epoch" / FINAL)
    assert len(found(tmp_path).checkpoints) == 2
    assert require_domain(spec(), "mayors-de-1epoch") == "mayors-de"
    assert require_domain(spec(), "mayors-1epoch") == "mayors"


def test_the_catalog_says_the_domain_of_a_run_it_lists(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "elsewhere" / "Run 7" / FINAL)
    known = spec(runs={"mayors-x": {"domain": "mayors-de", "path": "elsewhere/Run 7"}})
    assert partitions(found(tmp_path, known)) == ["mayors-x@checkpoint_final"]
    assert require_domain(known, "mayors-x") == "mayors-de"


def test_a_listed_run_is_not_found_a_second_time_under_its_folders_name(
    tmp_path: Path, outputs: Path
) -> None:
    path = make_checkpoint(outputs / "mayors-1epoch" / FINAL)
    known = spec(runs={"first": {"domain": "mayors", "path": "data/outputs/mayors-1epoch"}})
    runs = found(tmp_path, known)
    assert partitions(runs) == ["first@checkpoint_final"]
    assert runs.rejected == ()
    assert (
        checkpoint_directory(known, runs.checkpoints[0].key, tmp_path / "data", tmp_path)
        == path.resolve()
    )


def test_a_folder_with_the_name_of_a_listed_run_elsewhere_is_named(
    tmp_path: Path, outputs: Path
) -> None:
    path = make_checkpoint(tmp_path / "elsewhere" / FINAL)
    make_checkpoint(outputs / "mayors-1epoch" / FINAL)
    known = spec(runs={"mayors-1epoch": {"domain": "mayors", "path": "elsewhere"}})
    runs = found(tmp_path, known)
    assert [one.path for one in runs.checkpoints] == [path]
    [one] = runs.rejected
    assert one.path == outputs / "mayors-1epoch"
    assert str(path.parent) in one.why


def test_two_watched_folders_with_one_name_are_not_mixed_up(tmp_path: Path, outputs: Path) -> None:
    first = make_checkpoint(outputs / "mayors-1epoch" / FINAL)
    second = make_checkpoint(tmp_path / "trained" / "mayors-1epoch" / FINAL)
    known = spec(outputs="trained")
    runs = found(tmp_path, known)
    assert [one.path for one in runs.checkpoints] == [first]
    [one] = runs.rejected
    assert one.path == second
    assert one.why == f"Another checkpoint has the same name: {first}"


def test_a_folder_that_is_watched_twice_is_listed_once(tmp_path: Path, outputs: Path) -> None:
    make_checkpoint(outputs / "mayors-1epoch" / FINAL)
    runs = found(tmp_path, spec(outputs="data/outputs"))
    assert len(runs.checkpoints) == 1
    assert runs.rejected == ()


def test_a_listed_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    known = spec(runs={"first": {"domain": "mayors", "path": "nowhere"}})
    one = only_rejected(found(tmp_path, known))
    assert one.path == tmp_path / "nowhere"
    assert one.cure == "correct evaluation.runs.first.path"


def test_a_watched_folder_of_the_catalog_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert only_rejected(found(tmp_path, spec(outputs="nowhere"))).path == tmp_path / "nowhere"


def test_hidden_folders_and_files_are_passed_over(tmp_path: Path, outputs: Path) -> None:
    make_checkpoint(outputs / ".mayors-1epoch" / FINAL)
    make_checkpoint(outputs / "mayors-2epochs" / FINAL)
    make_checkpoint(outputs / "mayors-2epochs" / f".{FINAL}")
    (outputs / "mayors-notes").write_text("")
    (outputs / "mayors-2epochs" / "checkpoint_x").write_text("")
    runs = found(tmp_path, spec(checkpoints=["*"]))
    assert partitions(runs) == ["mayors-2epochs@checkpoint_final"]
    assert runs.rejected == ()


def test_a_half_written_checkpoint_is_named_and_found_once_it_is_whole(
    tmp_path: Path, outputs: Path
) -> None:
    path = make_sharded(outputs / "mayors-1epoch" / FINAL)
    shard = path / "model-00002-of-00002.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    one = only_rejected(found(tmp_path))
    assert one.path == path
    assert one.why == f"A checkpoint is not whole: only a part of {shard.name}"
    shard.write_bytes(content)
    assert len(found(tmp_path).checkpoints) == 1


def test_links_are_followed_under_their_own_names(tmp_path: Path, outputs: Path) -> None:
    make_checkpoint(tmp_path / "elsewhere" / FINAL)
    (outputs / "mayors-1epoch").symlink_to(tmp_path / "elsewhere")
    (outputs / "mayors-gone").symlink_to(tmp_path / "nowhere")
    (outputs / "mayors-loop").symlink_to(outputs / "mayors-loop")
    runs = found(tmp_path)
    assert partitions(runs) == ["mayors-1epoch@checkpoint_final"]
    assert runs.rejected == ()


def test_a_link_to_a_listed_run_is_no_second_run(tmp_path: Path, outputs: Path) -> None:
    make_checkpoint(tmp_path / "elsewhere" / FINAL)
    (outputs / "mayors-1epoch").symlink_to(tmp_path / "elsewhere")
    known = spec(runs={"first": {"domain": "mayors", "path": "elsewhere"}})
    assert partitions(found(tmp_path, known)) == ["first@checkpoint_final"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_run_that_may_not_be_read_leaves_the_others(tmp_path: Path, outputs: Path) -> None:
    make_checkpoint(outputs / "mayors-1epoch" / FINAL)
    make_checkpoint(outputs / "mayors-2epochs" / FINAL)
    (outputs / "mayors-1epoch").chmod(0)
    try:
        runs = found(tmp_path)
    finally:
        (outputs / "mayors-1epoch").chmod(0o700)
    assert partitions(runs) == ["mayors-2epochs@checkpoint_final"]
    assert "permissions" in runs.rejected[0].cure


def test_runs_that_are_trained_here_have_keys_before_they_are_there(
    tmp_path: Path, outputs: Path
) -> None:
    known = spec(runs={"toys-1epoch": {"domain": "toys", "epochs": 1}})
    key = SampledKey("toys-1epoch", FINAL)
    assert trained_keys(known) == [key]
    with pytest.raises(FileMissingError, match="materialise finetuned_checkpoints"):
        checkpoint_directory(known, key, tmp_path / "data", tmp_path)
    path = make_checkpoint(outputs / "toys-1epoch" / FINAL)
    assert found(tmp_path, known) == FoundRuns((), ()), "they are not from elsewhere"
    assert checkpoint_directory(known, key, tmp_path / "data", tmp_path) == path


def test_a_checkpoint_that_is_asked_for_says_where_it_should_be(
    tmp_path: Path, outputs: Path
) -> None:
    key = SampledKey("mayors-1epoch", FINAL)
    with pytest.raises(FileMissingError, match="nothing there") as absent:
        checkpoint_directory(spec(), key, tmp_path / "data", tmp_path)
    assert absent.value.where == str(outputs / "mayors-1epoch" / FINAL)
    path = make_checkpoint(tmp_path / "elsewhere" / FINAL)
    (path / "tokenizer.json").unlink()
    known = spec(runs={"mayors-1epoch": {"domain": "mayors", "path": "elsewhere"}})
    with pytest.raises(FileMissingError, match=r"no tokenizer\.json") as partial:
        checkpoint_directory(known, key, tmp_path / "data", tmp_path)
    assert partial.value.where == str(path)


def test_of_two_places_the_one_that_has_the_checkpoint_is_taken(
    tmp_path: Path, outputs: Path
) -> None:
    make_checkpoint(outputs / "mayors-1epoch" / "checkpoint-1")
    path = make_checkpoint(tmp_path / "trained" / "mayors-1epoch" / "checkpoint-2")
    known = spec(outputs="trained", checkpoints=["checkpoint-*"])
    for one in found(tmp_path, known).checkpoints:
        assert checkpoint_directory(known, one.key, tmp_path / "data", tmp_path) == one.path
    key = SampledKey("mayors-1epoch", "checkpoint-2")
    assert checkpoint_directory(known, key, tmp_path / "data", tmp_path) == path


def test_a_run_of_no_domain_has_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError):
        checkpoint_directory(spec(), SampledKey("capitals", FINAL), tmp_path, tmp_path)

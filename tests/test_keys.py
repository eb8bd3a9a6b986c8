"""Keys: one name for a cell, and every path that follows from it."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import UnknownNameError
from quarry.keys import (
    TrajectoryKey,
    benchmark_name,
    checkpoint_path,
    samples_path,
    split_benchmark,
)

slugs = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,99}", fullmatch=True)
keys = st.builds(TrajectoryKey, slugs, slugs, st.integers(0, 10_000))


@given(key=keys)
@settings(derandomize=True)
def test_a_partition_key_comes_back_as_the_key(key: TrajectoryKey) -> None:
    assert TrajectoryKey.from_partition(key.partition) == key
    assert TrajectoryKey.from_dimensions(key.model, key.benchmark) == key
    assert split_benchmark(key.benchmark) == (key.task, key.n_shot)
    assert str(key) == key.partition


@given(first=keys, second=keys)
@settings(derandomize=True)
def test_two_keys_share_neither_partition_nor_path(
    first: TrajectoryKey, second: TrajectoryKey
) -> None:
    is_same = first == second
    assert (first.partition == second.partition) == is_same
    assert (first.trajectory_path == second.trajectory_path) == is_same
    assert (first.labels_path == second.labels_path) == is_same
    assert (first.labelled_path == second.labelled_path) == is_same


@given(key=keys)
@settings(derandomize=True)
def test_no_path_leaves_its_directory(key: TrajectoryKey) -> None:
    for path in (key.trajectory_path, key.labels_path, key.labelled_path, key.changes_path):
        assert not path.is_absolute()
        assert not {".", ".."} & set(path.parts)
        assert len(path.parts) == 4


def test_the_paths_are_those_that_notebooks_know() -> None:
    key = TrajectoryKey("olmo3_base", "gsm8k", 8)
    assert key.partition == "gsm8k-8shot|olmo3_base"
    assert key.trajectory_path == PurePosixPath(
        "trajectories/8shot/olmo3_base/gsm8k_trajectories.h5"
    )
    assert key.labels_path == PurePosixPath("labels/8shot/olmo3_base/gsm8k_labels.parquet")
    assert key.labelled_path == PurePosixPath("labelled/8shot/olmo3_base/gsm8k_labelled.h5")
    assert samples_path("gsm8k", 8) == PurePosixPath("samples/gsm8k-8shot.parquet")
    assert checkpoint_path("demo_base") == PurePosixPath("models/demo_base")


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../up", "a/b", "a\\b", "/root", "-flag", ".hidden", "_x", "Upper", "a b",
        "a|b", "a\n", "a\x00b", "ä", "a" * 101, "a:b", "a*",
    ],
)  # fmt: skip
def test_a_hostile_name_is_refused_as_model_and_as_task(name: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        TrajectoryKey(name, "gsm8k", 0)
    assert caught.value.got == repr(name)
    with pytest.raises(UnknownNameError):
        TrajectoryKey("model", name, 0)


@pytest.mark.parametrize(
    "partition",
    ["", "gsm8k-8shot", "|", "|model", "gsm8k-8shot|", "gsm8k|model", "gsm8k-shot|model",
     "model|gsm8k-8shot", "gsm8k--1shot|../x", "gsm8k-8shot|a|b"],
)  # fmt: skip
def test_a_text_that_is_no_partition_key_is_refused(partition: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        TrajectoryKey.from_partition(partition)
    assert caught.value.fix


@given(text=st.text(max_size=30))
@settings(derandomize=True)
def test_no_text_gives_anything_but_a_key_or_that_error(text: str) -> None:
    try:
        key = TrajectoryKey.from_partition(text)
    except UnknownNameError:
        return
    assert TrajectoryKey.from_partition(key.partition) == key


def test_a_task_that_looks_like_a_shot_setting_stays_itself() -> None:
    assert split_benchmark(benchmark_name("gsm8k-8shot", 0)) == ("gsm8k-8shot", 0)


def test_keys_sort_by_model_task_and_number_of_shots() -> None:
    keys_in_order = [
        TrajectoryKey("a", "x", 0),
        TrajectoryKey("a", "x", 10),
        TrajectoryKey("b", "a", 2),
    ]
    assert sorted(reversed(keys_in_order)) == keys_in_order

"""Nothing unproven carries a final name, whenever the process dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import pytest
from blake3 import blake3

from quarry.errors import IntegrityError
from quarry.keys import TrajectoryKey
from quarry.trajectory.digest_table import read_table
from quarry.trajectory.digests import HEAD_BYTES
from quarry.trajectory.manifest import manifest_path, pending_path, read_manifest
from quarry.trajectory.publication import (
    Step,
    publish,
    recover,
    staging_path,
    sweep_staging,
)
from quarry.trajectory.report import Expected
from quarry.trajectory.staging import is_abandoned, owner_mark
from quarry.trajectory.verification import verify
from quarry.trajectory.writer import TrajectoryWriter
from tests.trajectory.damage import flip_state, swap_partition
from tests.trajectory.examples import make_header, make_row, make_rows, publish_example, stage

STEPS: tuple[Step, ...] = get_args(Step)
KEY = TrajectoryKey("demo_base", "gsm8k", 0)


def in_child(work: Callable[[], object]) -> int:
    """Run something in a forked process; returns how it ended, as `os.waitpid` says."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(7)
    return os.waitpid(child, 0)[1]


def kill_at(step: Step) -> Callable[[Step], None]:
    def on_step(reached: Step) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


def test_a_published_file_lies_alone_with_its_manifest(tmp_path: Path) -> None:
    path, manifest = publish_example(tmp_path)
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "gsm8k_trajectories.h5",
        f"gsm8k_trajectories.h5.digests-{manifest.digests[:16]}.npz",
        "gsm8k_trajectories.h5.manifest.json",
    ]
    assert list((tmp_path / "staging").iterdir()) == []
    assert manifest == read_manifest(manifest_path(path))
    assert manifest.file == path.name
    assert read_table(path, manifest.digests).sample_ids[3] == "gsm8k/test/9"
    assert manifest.blake3 == blake3(path.read_bytes()).hexdigest()


def test_the_steps_come_in_order(tmp_path: Path) -> None:
    header, seen = make_header(), list[Step]()
    publish(stage(tmp_path, header), tmp_path / header.key.trajectory_path, on_step=seen.append)
    assert tuple(seen) == STEPS


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "again"])
def test_a_kill_after_any_step_leaves_the_old_or_the_new_file(
    tmp_path: Path, step: Step, is_first: bool
) -> None:
    header = make_header()
    final = tmp_path / header.key.trajectory_path
    old = None if is_first else publish_example(tmp_path)[1]
    staged = stage(tmp_path, header, make_rows(header, seed=1))
    new = staged.manifest
    status = in_child(lambda: publish(staged, final, on_step=kill_at(step)))
    assert os.WTERMSIG(status) == signal.SIGKILL

    for level in ("light", "full"):
        report = verify(final, level=level)
        if report.is_clean:
            bytes_now = read_manifest(manifest_path(final)).digests
            assert bytes_now in {new.digests, old.digests if old else None}
        else:
            assert report.kinds() <= {"missing", "manifest_missing", "manifest_mismatch"} | (
                {"bytes_changed", "dataset_changed", "states_changed", "states_differ"}
                if level == "full"
                else set()
            )
            assert is_first or step == "file_renamed"

    recovered = recover(final)
    assert (recovered is not None) == (step == "file_renamed")
    assert not pending_path(final).exists()
    is_new = STEPS.index(step) >= STEPS.index("file_renamed")
    assert verify(final).is_clean == (is_new or not is_first)
    if is_new:
        assert read_manifest(manifest_path(final)).digests == new.digests
    else:
        publish(staged, final)
        assert verify(final).findings == []


def test_a_new_file_of_equal_size_with_the_old_manifest_is_seen_at_a_glance(
    tmp_path: Path,
) -> None:
    final, _ = publish_example(tmp_path)
    header = make_header(code_version="2")
    staged = stage(tmp_path, header)
    assert staged.manifest.size_bytes == final.stat().st_size
    in_child(lambda: publish(staged, final, on_step=kill_at("file_renamed")))
    report = verify(final, level="light")
    assert report.kinds() == {"manifest_mismatch"}
    assert "recover completes it" in report.findings[0].cure


@pytest.mark.parametrize("changes", [{}, {"model_source": "x" * 5000, "layers": tuple(range(99))}])
def test_the_head_of_a_file_holds_its_own_id(tmp_path: Path, changes: dict[str, Any]) -> None:
    staged = stage(tmp_path, make_header(**changes))
    with h5py.File(staged.path, "r") as file:
        own_id = bytes(file["samples"].attrs["file_id"])
    assert own_id in staged.path.read_bytes()[:HEAD_BYTES]


def test_a_damaged_staged_file_is_not_published(tmp_path: Path) -> None:
    final, _ = publish_example(tmp_path)
    before = final.read_bytes()
    staged = stage(tmp_path, make_header(), make_rows(make_header(), seed=1))
    flip_state(staged.path)
    with pytest.raises(IntegrityError, match="failed verification") as caught:
        publish(staged, final)
    assert "states_changed" in {found.kind for found in caught.value.findings}
    assert final.read_bytes() == before
    assert verify(final).findings == []
    assert staged.path.exists()


def test_a_file_of_another_partition_is_not_published(tmp_path: Path) -> None:
    final, _ = publish_example(tmp_path)
    staged = stage(tmp_path, make_header(task="logiqa", benchmark="logiqa-0shot"))
    with pytest.raises(IntegrityError, match="another partition"):
        publish(staged, final, expected=Expected.of_key(KEY))
    assert verify(final, expected=Expected.of_key(KEY)).findings == []
    swap_partition(final)
    assert "wrong_partition" in verify(final, expected=Expected.of_key(KEY)).kinds()


def test_a_manifest_that_does_not_fit_the_bytes_is_not_published(tmp_path: Path) -> None:
    staged = stage(tmp_path, make_header())
    wrong = replace(staged, manifest=replace(staged.manifest, digests="0" * 64))
    with pytest.raises(IntegrityError):
        publish(wrong, tmp_path / "final" / "file.h5")
    assert not (tmp_path / "final").exists()


def test_staging_on_another_file_system_is_copied(tmp_path: Path) -> None:
    shared_memory = Path("/dev/shm")
    if not shared_memory.is_dir() or shared_memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system on this machine")
    header = make_header()
    path = staging_path(tmp_path, header.key)
    elsewhere = shared_memory / path.name
    final = tmp_path / header.key.trajectory_path
    try:
        with TrajectoryWriter(elsewhere, header) as writer:
            for row in make_rows(header):
                writer.append(row)
            staged = writer.finish()
        publish(staged, final)
    finally:
        still_there = elsewhere.exists()
        elsewhere.unlink(missing_ok=True)
    assert not still_there
    assert verify(final).findings == []
    assert len(list(final.parent.iterdir())) == 3


def test_a_killed_collector_leaves_only_what_is_swept(tmp_path: Path) -> None:
    header = make_header()

    def collect() -> None:
        with TrajectoryWriter(staging_path(tmp_path, header.key), header) as writer:
            writer.append(make_row(0, header))
            os.kill(os.getpid(), signal.SIGKILL)

    in_child(collect)
    left = list((tmp_path / "staging").iterdir())
    assert len(left) == 1
    with TrajectoryWriter(staging_path(tmp_path, header.key), header) as writer:
        writer.append(make_row(0, header))
        assert sweep_staging(tmp_path) == left
        assert writer.path.exists()
    assert sweep_staging(tmp_path) == []


def test_only_a_dead_owner_on_this_machine_is_dead() -> None:
    mine = f"file{owner_mark()}h5"
    assert not is_abandoned(mine)
    assert not is_abandoned("somebody_elses.h5")
    fields = mine.split(".by-")[1].split("-")
    for index, value in enumerate(["00000000", "00000000", "4194000", "1"]):
        changed = [*fields[:index], value, *fields[index + 1 :]]
        is_other_machine = index == 0
        assert is_abandoned("file.by-" + "-".join(changed)) != is_other_machine


@pytest.mark.slow
def test_kills_at_random_moments_never_publish_half_a_file(tmp_path: Path) -> None:
    header = make_header()
    final = tmp_path / header.key.trajectory_path
    rows = [make_rows(header, seed) for seed in (1, 2)]

    def collect_and_publish(seed: int) -> None:
        publish(stage(tmp_path, header, rows[seed]), final)

    started = time.perf_counter()
    in_child(lambda: collect_and_publish(0))
    duration_s = time.perf_counter() - started
    final.unlink()
    manifest_path(final).unlink()
    for delay in np.random.default_rng(9).uniform(0, 1.2 * duration_s, 25):
        child = os.fork()
        if child == 0:
            try:
                collect_and_publish(int(1000 * delay) % 2)
            finally:
                os._exit(0)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        recover(final)
        if final.exists():
            assert verify(final).findings == [], delay
        sweep_staging(tmp_path)
        assert list((tmp_path / "staging").glob("*")) == []
    in_child(lambda: collect_and_publish(1))
    assert verify(final).findings == []

"""What a lease is, and what its file says."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from quarry.errors import DeviceBusyError, UsageError
from quarry.inference.lease import LeaseState, lease_states, take_lease
from quarry.inference.lease_file import Holder, default_folder, is_locked
from quarry.processes import host_mark
from tests.inference.lease_holders import CPU, GPUS, is_free, only, take


def test_a_device_has_one_holder(tmp_path: Path) -> None:
    with take(tmp_path):
        assert not is_free(tmp_path)
    assert is_free(tmp_path)


def test_a_lease_says_who_has_it_and_nothing_once_it_is_released(tmp_path: Path) -> None:
    lines: list[str] = []
    mine = Holder.me("demo_base, gsm8k-0shot|demo_base", "0123456789")
    with take_lease([CPU], 1, tmp_path, holder=mine, wait_s=0, log=lines.append) as lease:
        state = only(lease_states([CPU], tmp_path))
        assert (state.is_held, state.holder) == (True, mine)
        assert state.holder is not None
        assert (state.holder.pid, state.holder.host) == (os.getpid(), host_mark())
        assert not state.holder.has_ended
        assert lines == [f"leased {CPU}: {tmp_path / 'cpu.lock'}"]
        assert lease.facts() == {
            "device": "cpu",
            "lease": str(tmp_path / "cpu.lock"),
            "lease_waited_s": 0.0,
        }
    assert lease_states([CPU], tmp_path) == [LeaseState(CPU, tmp_path / "cpu.lock", False, None)]
    assert (tmp_path / "cpu.lock").read_bytes() == b""
    lease.release()


def test_several_devices_are_taken_all_or_none(tmp_path: Path) -> None:
    with take(tmp_path, GPUS[1]):
        assert take(tmp_path, *GPUS, n=2).names == ("cuda:0", "cuda:2")
        with pytest.raises(DeviceBusyError) as caught:
            take(tmp_path, *GPUS[:2], n=2)
        assert "cuda:1 is held by process" in str(caught.value.got)


@pytest.mark.parametrize("n", [0, 2])
def test_more_devices_than_there_are_is_wrong_use(tmp_path: Path, n: int) -> None:
    with pytest.raises(UsageError, match="tensor_parallel"):
        take(tmp_path, CPU, n=n)


def test_every_user_may_lease_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "leases"
    before = os.umask(0o077)
    try:
        with take(folder):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert stat.S_IMODE((folder / "cpu.lock").stat().st_mode) == 0o666


def test_a_lock_file_that_was_removed_while_held_does_not_lock_its_successor(
    tmp_path: Path,
) -> None:
    with take(tmp_path):
        (tmp_path / "cpu.lock").unlink()
        with take(tmp_path):
            assert not is_free(tmp_path)


def test_a_lock_file_that_is_removed_while_it_is_being_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_now, lock = fcntl.flock, tmp_path / "cpu.lock"
    removed: list[Path] = []

    def flock(descriptor: int, operation: int) -> None:
        if not removed:
            lock.unlink()
            removed.append(lock)
        lock_now(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with take(tmp_path):
        assert is_locked(lock)


def test_a_folder_that_is_none_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="QUARRY_LEASE_DIR"):
        take(tmp_path / "file")


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_what_is_no_ordinary_file_is_not_locked(tmp_path: Path, kind: str) -> None:
    lock = tmp_path / "cpu.lock"
    if kind == "link":
        lock.symlink_to(tmp_path / "elsewhere")
    elif kind == "fifo":
        os.mkfifo(lock)
    else:
        lock.mkdir()
    with pytest.raises(UsageError):
        take(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"pid": "x"}', '{"pid": 1, "host": "h", "since": "now"}', "\xff"],
)
def test_a_file_that_says_nothing_is_held_by_an_unknown_process(tmp_path: Path, text: str) -> None:
    with take(tmp_path):
        (tmp_path / "cpu.lock").write_text(text, encoding="latin-1")
        assert only(lease_states([CPU], tmp_path)) == LeaseState(
            CPU, tmp_path / "cpu.lock", True, None
        )
        with pytest.raises(DeviceBusyError, match="unknown process"):
            take(tmp_path)


def test_leases_of_devices_that_are_not_seen_are_listed_while_they_are_held(
    tmp_path: Path,
) -> None:
    take(tmp_path, GPUS[0]).release()
    with take(tmp_path, GPUS[1]):
        states = lease_states([CPU], tmp_path)
    assert [(state.device, state.file.name, state.is_held) for state in states] == [
        (CPU, "cpu.lock", False),
        (None, "GPU-1.lock", True),
    ]


def test_there_is_nothing_to_list_without_a_folder(tmp_path: Path) -> None:
    assert [state.is_held for state in lease_states([CPU], tmp_path / "none")] == [False]
    assert not (tmp_path / "none").exists()


def test_the_default_folder_is_the_same_for_all_of_the_machine() -> None:
    assert default_folder().name == "quarry-leases"
    assert default_folder().is_absolute()

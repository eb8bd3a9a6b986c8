"""A file that hangs or crashes HDF5 is a finding; the caller goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from quarry.trajectory.guarded import run_guarded
from quarry.trajectory.verification import verify
from tests.trajectory.damage import overwrite
from tests.trajectory.examples import write_legacy

ODD = "tests.trajectory.odd_children"


@pytest.mark.parametrize(
    ("conduct", "failure"),
    [
        ("hang", "no end after 2 s"),
        ("hang with children", "no end after 2 s"),
        ("crash", "killed by SIGSEGV"),
        ("raise", "exit status 1"),
    ],
)
def test_what_a_child_said_before_it_died_counts(conduct: str, failure: str) -> None:
    started = time.perf_counter()
    outcome = run_guarded(ODD, {"value": "ä"}, 2.0, [conduct])
    assert outcome.messages == [{"echo": "ä"}]
    assert outcome.failure is not None
    assert outcome.failure.startswith(failure)
    assert time.perf_counter() - started < 10


def test_a_good_child_has_no_failure() -> None:
    outcome = run_guarded(ODD, {"value": 3}, 20.0, ["end well"])
    assert (outcome.messages, outcome.failure) == ([{"echo": 3}], None)


def test_a_verification_that_takes_too_long_is_a_finding(published: Path) -> None:
    report = verify(published, deadline_s=0.01)
    assert report.kinds() == {"unreadable"}
    assert "0.01 s" in report.findings[0].got
    assert report.checks_run == ("file_complete",)


def test_the_child_finds_the_package_from_any_folder(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quarry.py").write_text("raise RuntimeError('the wrong quarry')")
    monkeypatch.chdir(tmp_path)
    assert verify(published).findings == []


def test_a_file_on_which_hdf5_never_returns_is_a_finding(tmp_path: Path) -> None:
    path = write_legacy(tmp_path / "old.h5", libver="earliest")
    heap = path.read_bytes().index(b"GCOL")
    overwrite(path, heap + 16, bytes(16))  # an object of size 0: the search never gets past it
    report = verify(path, deadline_s=3)
    found = [one for one in report.findings if one.kind == "unreadable"]
    assert [(one.check, one.got) for one in found] == [
        ("rows_complete", "no end after 3 s; it was killed")
    ]
    assert "layout_valid" in report.checks_run


def test_mutated_files_never_hang_or_crash_the_caller(tmp_path: Path) -> None:
    path = write_legacy(tmp_path / "old.h5", libver="earliest")
    good = path.read_bytes()
    rng = np.random.default_rng(31)
    for _ in range(25):
        bad = bytearray(good)
        start = int(rng.integers(0, len(bad)))
        size = int(rng.choice([1, 16, 512]))
        bad[start : start + size] = rng.bytes(len(bad[start : start + size]))
        path.write_bytes(bad)
        started = time.perf_counter()
        verify(path, deadline_s=5)
        assert time.perf_counter() - started < 8
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)

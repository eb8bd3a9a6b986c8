"""A file that hangs or crashes HDF5 is a finding; the caller goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quarry.guard.guarded import ChildOutcome, run_alone, run_guarded
from quarry.trajectory.verification import verify
from tests.guard.odd_children import LONG
from tests.guard.processes import descendants, servers_of, wait_until_gone
from tests.trajectory.damage import overwrite
from tests.trajectory.examples import write_legacy

ODD = "tests.guard.odd_children"
Run = Callable[[str, dict[str, Any], float], ChildOutcome]


@pytest.fixture(params=[run_guarded, run_alone], ids=["served", "alone"])
def run(request: pytest.FixtureRequest) -> Run:
    """Each way to run a child; the second is used where the first can't be."""
    return request.param


def test_a_good_child_has_no_failure_and_what_it_prints_is_no_message(run: Run) -> None:
    outcome = run(ODD, {"value": 3, "conduct": "end well"}, 30.0)
    assert (outcome.messages, outcome.failure) == ([{"echo": 3}], None)


@pytest.mark.parametrize(
    ("conduct", "deadline_s", "failure"),
    [
        ("hang", 1.0, "no end after 1 s; it was killed"),
        ("crash", 30.0, "killed by SIGSEGV"),
        ("raise", 30.0, "exit status 1: "),
        ("take too much memory", 30.0, "exit status 1: "),
    ],
)
def test_what_a_child_said_before_it_died_counts(
    run: Run, conduct: str, deadline_s: float, failure: str
) -> None:
    outcome = run(ODD, {"value": "ä", "conduct": conduct}, deadline_s)
    assert outcome.messages == [{"echo": "ä"}]
    assert outcome.failure is not None
    assert outcome.failure.startswith(failure)


@pytest.mark.parametrize(
    ("conduct", "words"),
    [("raise", "the last words"), ("take too much memory", "Cannot allocate memory")],
)
def test_a_failure_shows_the_end_of_what_the_child_complained(
    run: Run, conduct: str, words: str
) -> None:
    failure = run(ODD, {"value": 1, "conduct": conduct}, 30.0).failure
    assert failure is not None
    assert failure.endswith(words)
    assert len(failure) < 400


@pytest.mark.parametrize("conduct", ["hang with another", "leave another behind"])
def test_what_a_child_started_ends_with_it(conduct: str) -> None:
    outcome = run_guarded(ODD, {"value": 1, "conduct": conduct}, 2.0)
    pids = outcome.messages[1]["pids"]
    assert len(pids) == 3
    assert wait_until_gone(pids) == []


def test_large_requests_and_large_answers_pass(run: Run) -> None:
    request = {"value": "ö" * 5_000_000, "conduct": "tell a lot"}
    outcome = run(ODD, request, 60.0)
    assert outcome.failure is None
    assert outcome.messages[0] == {"echo": request["value"]}
    assert outcome.messages[1:] == [{"number": number, "text": LONG} for number in range(50)]


def test_a_child_that_never_reads_its_request_does_not_block_the_caller() -> None:
    request = {"value": "z" * 5_000_000, "conduct": "end well"}
    outcome = run_guarded("tests.trajectory.no_such_module", request, 30.0)
    assert outcome.messages == []
    assert outcome.failure is not None
    assert "No module named" in outcome.failure


def test_a_verification_that_takes_too_long_is_a_finding(published: Path) -> None:
    report = verify(published, deadline_s=0.001)
    assert report.kinds() == {"unreadable"}
    assert "0.001 s" in report.findings[0].got
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
    others = set(descendants(os.getpid()))
    rng = np.random.default_rng(31)
    for _ in range(25):
        bad = bytearray(good)
        start = int(rng.integers(0, len(bad)))
        size = int(rng.choice([1, 16, 512]))
        bad[start : start + size] = rng.bytes(len(bad[start : start + size]))
        path.write_bytes(bad)
        verify(path, deadline_s=2)
    servers = servers_of(os.getpid())
    assert len(servers) == 1
    assert wait_until_gone(sorted({*descendants(os.getpid())} - others - {*servers})) == []

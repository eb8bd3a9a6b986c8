"""The log of costs keeps what was appended, whatever happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from quarry.costs.log import CostLog
from quarry.costs.record import CostRecord
from quarry.errors import DiskError, StorageFullError
from tests.costs.records import record

ROOT = Path(__file__).resolve().parents[2]
APPENDING = """
import sys
from dataclasses import replace
from pathlib import Path
from quarry.costs.log import CostLog
from tests.costs.records import record

log, name = CostLog(Path(sys.argv[1])), sys.argv[2]
for number in range(int(sys.argv[3])):
    log.append(record(attempt=f"{name}-{number}"))
    print(number, flush=True)
"""


@pytest.fixture
def log(tmp_path: Path) -> CostLog:
    return CostLog(tmp_path / "state" / "costs.jsonl")


def damage(log: CostLog, change: slice, to: bytes) -> None:
    data = bytearray(log.path.read_bytes())
    data[change] = to
    log.path.write_bytes(data)


def test_a_log_that_was_never_written_is_empty(log: CostLog):
    history = log.read()
    assert (history.records, history.n_skipped, history.remark) == ((), 0, "")


def test_records_come_back_as_they_were_in_order(log: CostLog):
    given = [record(n_shot=n, device="NVIDIA H200 \u00e9\n") for n in range(5)]
    for one in given:
        log.append(one)
    assert log.read().records == tuple(given)


def test_the_last_reading_of_an_attempt_is_what_it_cost(log: CostLog):
    first = record(attempt="a", outcome="running", n_samples=1)
    other = record(attempt="b")
    last = replace(first, outcome="failed", n_samples=40)
    for one in (first, other, last):
        log.append(one)
    assert log.read().records == (last, other)


@pytest.mark.parametrize("n_cut", [1, 2, 100, 400])
def test_a_torn_last_line_costs_itself_at_most(log: CostLog, n_cut: int):
    one, torn, after = record(), record(), record()
    log.append(one)
    log.append(torn)
    damage(log, slice(-n_cut, None), b"")
    log.append(after)
    history = log.read()
    assert {one, after} <= set(history.records)
    assert history.n_skipped == (0 if torn in history.records else 1)
    assert (torn in history.records) == (n_cut == 1)


def test_a_flipped_byte_is_noticed_and_said(log: CostLog):
    good = record()
    for one in (record(), good):
        log.append(one)
    damage(log, slice(100, 101), b"\x00")
    history = log.read()
    assert history.records == (good,)
    assert history.remark == "1 damaged line was skipped in the log of costs."


@pytest.mark.parametrize(
    "changes",
    [
        {"run_s": float("nan")},
        {"n_samples": -1},
        {"outcome": "won"},
        {"started_at": "noon"},
        {"model": "../up"},
        {"output_tokens": "5"},
    ],
    ids=str,
)
def test_values_that_can_not_be_are_skipped(log: CostLog, changes: dict[str, object]):
    log.append(replace(record(), **changes))
    good = record()
    log.append(good)
    assert log.read().records == (good,)
    assert log.read().n_skipped == 1


def test_a_newer_format_is_left_alone(log: CostLog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("quarry.costs.log.FORMAT_VERSION", 2)
    log.append(record())
    monkeypatch.undo()
    assert (log.read().records, log.read().n_skipped) == ((), 1)


def test_a_log_that_can_not_be_read_is_no_failure(tmp_path: Path):
    history = CostLog(tmp_path).read()
    assert history.records == ()
    assert "can't be read" in history.remark


def test_a_full_disk_is_named():
    with pytest.raises(StorageFullError, match="/dev/full"):
        CostLog(Path("/dev/full")).append(record())


def test_a_folder_in_its_place_is_named(tmp_path: Path):
    with pytest.raises(DiskError, match="directory"):
        CostLog(tmp_path).append(record())


def test_writers_beside_each_other_lose_nothing_and_one_may_be_killed(log: CostLog):
    n = 40
    writers = {name: writer(log, name, n) for name in ("a", "b", "c")}
    killed = writers.pop("c")
    assert killed.stdout is not None
    said = [killed.stdout.readline() for _ in range(5)]
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert said[-1] == "4\n"
    for one in writers.values():
        one.communicate()
        assert one.returncode == 0
    history = log.read()
    names = {one.attempt for one in history.records}
    assert names >= {f"{name}-{number}" for name in writers for number in range(n)}
    assert names >= {f"c-{number}" for number in range(5)}
    assert history.n_skipped <= 1


def writer(log: CostLog, name: str, n: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", APPENDING, str(log.path), name, str(n)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_names_of_a_later_version_are_no_hindrance():
    one = record()
    assert CostRecord.from_dict({**one.as_dict(), "colour": "red"}) == one

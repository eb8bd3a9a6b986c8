"""A shard loses nothing that was durable, repeats nothing, and keeps failures apart."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quarry.errors import NecessityError, UsageError
from quarry.necessity.shard import DURABLE_EVERY, ShardResults, run_shard
from quarry.necessity.shard_journal import ShardJournal
from quarry.tables import read_table, write_table
from tests.live_processes import wait_for
from tests.necessity.methods import ByTheLastDigit, problems

ROOT = Path(__file__).resolve().parents[2]
MANY = 3 * DURABLE_EVERY + 20

STOPPING_RUN = """
import sys, time
from pathlib import Path
from quarry.necessity.shard import run_shard
from tests.necessity.methods import ByTheLastDigit, problems

class Stopping(ByTheLastDigit):
    def _one(self, problem):
        if len(self.asked()) > int(sys.argv[3]):
            time.sleep(600)
        return super()._one(problem)

folder = Path(sys.argv[1])
run_shard(problems(int(sys.argv[2])), Stopping(folder / "diary"), folder / "journal", log=print)
"""


@pytest.fixture
def method(tmp_path: Path) -> ByTheLastDigit:
    return ByTheLastDigit(tmp_path / "diary")


def run(method: ByTheLastDigit, n: int = MANY, **options) -> ShardResults:
    path = method.diary.parent / "journal"
    return run_shard(
        problems(n), method, path, log=options.pop("log", lambda line: None), **options
    )


def closed(shard: ShardResults) -> ShardResults:
    shard.journal.close()
    return shard


def test_needed_is_what_is_right_with_thoughts_and_wrong_without(method: ByTheLastDigit):
    shard = closed(run(method, 40))
    needed = [row["gsm8k_id"] for row in shard.rows if row["needs_cot"]]
    assert needed == [f"train_{row}" for row in range(40) if row % 10 in {5, 6, 7, 8}]
    row = shard.rows[9]
    assert (row["baseline_correct"], row["ablated_correct"], row["needs_cot"]) == (False,) * 3
    assert (row["answer"], row["baseline_prediction"]) == (10.0, -1.0)


def test_a_killed_shard_goes_on_without_repeating_what_was_committed(tmp_path: Path):
    n_asked = DURABLE_EVERY + 20
    arguments = [str(tmp_path), str(MANY), str(n_asked)]
    child = subprocess.Popen([sys.executable, "-c", STOPPING_RUN, *arguments], cwd=ROOT)
    method = ByTheLastDigit(tmp_path / "diary")
    wait_for(lambda: len(method.asked()) > n_asked, "a second group under way")
    os.kill(child.pid, signal.SIGKILL)
    child.wait(timeout=30)
    before = method.asked()
    committed = before[: len(before) // DURABLE_EVERY * DURABLE_EVERY]
    lines: list[str] = []

    shard = closed(run(method, log=lines.append))

    assert not set(committed) & set(method.asked()[len(before) :])
    assert f"going on from {len(committed)} of {MANY} problems that were tested before" in lines
    assert shard.n_kept == len(committed) >= DURABLE_EVERY
    alone = ByTheLastDigit(tmp_path / "other")
    whole = closed(run_shard(problems(MANY), alone, tmp_path / "fresh", log=lines.append))
    assert shard.digest() == whole.digest()


def test_a_torn_line_costs_its_row_alone(method: ByTheLastDigit, tmp_path: Path):
    closed(run(method, 50))
    journal = tmp_path / "journal"
    journal.write_bytes(journal.read_bytes()[:-7])
    before = len(method.asked())
    closed(run(method, 50))
    assert method.asked()[before:] == ["train_49"]


def test_a_flipped_byte_is_noticed_and_its_row_made_again(method: ByTheLastDigit, tmp_path: Path):
    closed(run(method, 50))
    journal = tmp_path / "journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[10] = lines[10].replace(b"What is", b"What Is")
    journal.write_bytes(b"".join(lines))
    before = len(method.asked())
    closed(run(method, 50))
    assert method.asked()[before:] == ["train_9"]


def test_failures_are_tried_again_then_fail_the_shard_and_only_they_are_tried_next(
    method: ByTheLastDigit,
):
    method.fails = lambda problem: problem.id in {"train_3", "train_17"}
    with pytest.raises(NecessityError, match="could not be tested") as caught:
        run(method, 30)
    assert "train_17: PromptTooLongError" in str(caught.value)
    assert method.asked().count("train_3") == 2
    before = len(method.asked())
    method.fails = lambda problem: False

    shard = closed(run(method, 30))

    assert method.asked()[before:] == ["train_3", "train_17"]
    assert not shard.n_failed


def test_failures_that_are_allowed_are_rows_of_their_own_state(method: ByTheLastDigit):
    method.fails = lambda problem: problem.id == "train_3"
    shard = closed(run(method, 10, most_failures=1))
    row = shard.rows[3]
    assert (row["status"], row["needs_cot"], row["baseline_output"]) == ("failed", None, None)
    assert "too long" in str(row["error"])


def test_of_a_published_shard_with_failures_only_these_are_tried(
    method: ByTheLastDigit, tmp_path: Path
):
    method.fails = lambda problem: problem.id == "train_3"
    shard = closed(run(method, 10, most_failures=1))
    write_table(shard.frame(), tmp_path / "shard.parquet")
    shard.journal.remove()
    before, method.fails = len(method.asked()), lambda problem: False
    again = closed(run(method, 10, published=read_table(tmp_path / "shard.parquet")))
    assert method.asked()[before:] == ["train_3"]
    assert [row["status"] for row in again.rows] == ["tested"] * 10
    assert again.rows[5] == shard.rows[5]


def test_a_published_shard_without_failures_is_made_anew(method: ByTheLastDigit):
    shard = closed(run(method, 10))
    shard.journal.remove()
    closed(run(method, 10, published=shard.frame()))
    assert len(method.asked()) == 20


def test_other_settings_begin_anew_and_say_so(method: ByTheLastDigit):
    closed(run(method, 10))
    method.seed, lines = 1, list[str]()
    shard = closed(run(method, 10, log=lines.append))
    assert "10 results made with other settings are not used" in lines
    assert (shard.n_kept, len(method.asked())) == (0, 20)


def test_a_problem_that_changed_is_tested_again(method: ByTheLastDigit, tmp_path: Path):
    closed(run(method, 10))
    changed = [one if one.id != "train_4" else problems(50)[44] for one in problems(10)]
    shard = closed(run_shard(changed, method, tmp_path / "journal", log=lambda line: None))
    assert method.asked()[10:] == ["train_44"]
    assert [row["gsm8k_id"] for row in shard.rows] == [one.id for one in changed]


def test_two_runs_of_one_shard_do_not_mix(method: ByTheLastDigit, tmp_path: Path):
    with (
        ShardJournal(tmp_path / "journal", method.describe()),
        pytest.raises(UsageError, match="another process"),
    ):
        run(method, 10)

"""Every row of the soak at a small count; `make soak` runs them at their full ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quarry.sandbox.layers import CONFINED, objection_to
from tests.grading.hostile_suite import hostile_families
from tests.soak import hostile_programs
from tests.soak.outcome import Outcome, Tally
from tests.soak.row_process import run_row
from tests.soak.rows import Row, rows
from tests.soak.system_calls import NotTraceableError, run_traced

ROOT = Path(__file__).resolve().parents[2]
SMALL = {1: 60, 2: 30, 3: 18, 4: 27, 5: 16, 6: 15, 7: 24, 9: 16, 10: 30, 11: 16, 12: 11, 13: 1,
         14: 24, 15: 40, 17: 40, 18: 60, 19: 12, 20: 40, 21: 2}  # fmt: skip
UNTIMED = {number: row for number, row in rows().items() if not row.is_timed}


@pytest.fixture(scope="session")
def can_trace() -> bool:
    """Whether this machine lets a child be traced."""
    try:
        return run_traced(lambda: None)[1] == 0
    except NotTraceableError:
        return False


@pytest.mark.parametrize("number", sorted(UNTIMED))
def test_the_claim_of_a_row_holds(tmp_path: Path, number: int, can_trace: bool) -> None:
    if number in (7, 9) and not can_trace:
        pytest.skip("this machine lets no process be traced")
    if number in (14, 15) and all(objection_to(layer) for layer in CONFINED):
        pytest.skip("this machine lets no program be shut in")
    if number == 14:  # it watches its whole process, where other tests' connections come and go
        outcome = run_row(UNTIMED[number], SMALL[number], 0, is_full_size=False, log=print)
    else:
        outcome = UNTIMED[number].run(SMALL[number], 0, tmp_path)
    assert not outcome.misses
    assert outcome.is_met, outcome.figure
    assert outcome.n_asked == outcome.n_reached >= SMALL[number]
    assert json.loads(json.dumps(outcome.as_dict()))["seed"] == 0


def test_costs_are_measured_of_files_that_shrink_with_the_count(tmp_path: Path) -> None:
    outcome = rows()[22].run(1, 0, tmp_path)
    assert outcome.facts["chunks"] == 640
    assert all(value > 0 for value in outcome.facts.values())


def test_the_full_counts_of_programs_hold_all_of_them_in_each_layer() -> None:
    hostile = sum(len(family) for family in hostile_families().values())
    assert hostile * len(CONFINED) <= hostile_programs.FULL_N


def test_speed_of_grading_is_measured_in_each_layer(tmp_path: Path) -> None:
    layers = [layer for layer in CONFINED if not objection_to(layer)]
    if not layers:
        pytest.skip("this machine lets no program be shut in")
    facts = rows()[16].run(3, 0, tmp_path).facts
    assert all(facts[f"{layer}_{what}"] > 0 for layer in layers for what in ("per_s", "start_ms"))


def test_a_row_repeats_by_its_seed(tmp_path: Path) -> None:
    runs = [
        rows()[2].run(6, seed, tmp_path / name) for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    assert runs[0] == runs[1]
    assert runs[0].facts != runs[2].facts


def test_a_case_that_misses_is_counted_and_named() -> None:
    tally = Tally(3)
    tally.case("one")
    tally.case("two", ["", "was not flagged"])
    tally.case("three", "")
    assert (tally.n_held, tally.n_done, tally.is_whole) == (2, 3, False)
    assert tally.misses == ["two: was not flagged"]


def test_every_row_of_the_table_is_there() -> None:
    assert sorted(rows()) == [*range(1, 8), *range(9, 23)]
    assert {number: row.n for number, row in rows().items() if row.n >= 300} == {
        1: 1000, 2: 1000, 3: 300, 5: 300, 6: 300, 7: 500, 10: 450,
        14: 1400, 15: 1138, 16: 500, 17: 2000, 18: 972,
    }  # fmt: skip


def test_the_command_prints_a_table_and_its_status_says_whether_all_bars_are_met() -> None:
    done = run_soak("--rows", "1", "--n-share", "0.02", "--seed", "5")
    assert done.returncode == 0, done.stderr
    assert "24/24" in done.stdout
    assert "1 of 1 bars met" in done.stdout
    assert "row 1: ok" in done.stderr


def test_the_command_gives_json_and_refuses_rows_that_do_not_exist() -> None:
    done = run_soak("--rows", "12", "--n-share", "0.02", "--json")
    outcomes = [Outcome(**values) for values in json.loads(done.stdout)]
    assert [(one.row, one.n_asked, one.is_met) for one in outcomes] == [(12, 1, True)]
    assert run_soak("--rows", "1,99").returncode == 2


def test_a_row_whose_process_dies_is_no_pass() -> None:
    dead = Row(99, 1, rows()[1].run)
    outcome = run_row(dead, 1, 0, is_full_size=False, log=lambda line: None)
    assert (outcome.is_met, outcome.n_reached) == (False, 0)
    assert "KeyError: 99" in outcome.misses[0]


def run_soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.soak", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

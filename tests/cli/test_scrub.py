"""`quarry scrub` over real files: what it takes, what it remembers, how it ends."""

import fcntl
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from quarry.cli.main import app
from quarry.cli.verify import files_of
from quarry.keys import TrajectoryKey
from quarry.scrub_ledger import Ledger, read_ledger, write_ledger

KEY = TrajectoryKey("tiny_a", "gsm8k", 0)
NAME = KEY.trajectory_path.as_posix()


@pytest.fixture
def data(grid: Path) -> Path:
    """Four files that were published just now."""
    return grid / "data"


def unproven(data: Path) -> None:
    """Make the files look like copies, of which no publication proves anything."""
    for path in data.rglob("*_trajectories.h5"):
        os.utime(path, (later := path.stat().st_mtime + 86_400, later))


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def scrub(cli, data: Path, *options: str) -> tuple[int, dict[str, Any]]:
    done = cli("scrub", data, "--json", *options)
    return done.returncode, json.loads(done.stdout)


def ledger_of(data: Path) -> Ledger:
    return read_ledger(data / "scrub.json")


def move_back(data: Path, days: int) -> None:
    """Let the ledger's times lie further back, as they do when days pass."""
    ledger, by = ledger_of(data), timedelta(days=days)
    ledger.files = {
        name: replace(
            entry,
            known_since=entry.known_since - by,
            last_verified=entry.last_verified and entry.last_verified - by,
        )
        for name, entry in ledger.files.items()
    }
    if ledger.account:
        ledger.account = replace(ledger.account, day=ledger.account.day - by)
    write_ledger(data / "scrub.json", ledger)


def test_files_published_today_are_proven_and_have_their_turn_tomorrow(cli, data):
    code, document = scrub(cli, data)
    assert (code, document["plan"]["chosen"]) == (0, [])
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    assert document["plan"]["next_day"] in (f"{tomorrow}", f"{tomorrow - timedelta(days=1)}")
    move_back(data, 1)
    code, document = scrub(cli, data, "--budget", "40%")
    assert (code, len(document["files"])) == (0, 2)
    assert document["is_clean"]
    assert {entry["is_clean"] for entry in document["files"]} == {True}


def test_a_copy_is_proven_by_nobody_and_verified_first(cli, data):
    os.utime(data / NAME, (later := datetime.now(UTC).timestamp() + 86_400, later))
    _, document = scrub(cli, data, "--budget", "1B")
    assert document["plan"]["chosen"] == [NAME]


def test_every_file_has_its_turn_before_any_has_a_second(cli, data):
    unproven(data)
    taken = list[str]()
    for _ in range(4):
        code, document = scrub(cli, data, "--budget", "20%")
        assert code == 0
        taken += document["plan"]["chosen"]
        move_back(data, 1)
    assert sorted(taken) == sorted(path.relative_to(data).as_posix() for path in files_of(data))
    _, document = scrub(cli, data, "--dry-run", "--budget", "100%")
    assert document["plan"]["chosen"][0] == taken[0]


def test_a_second_run_on_a_day_verifies_nothing_again(cli, data):
    unproven(data)
    assert len(scrub(cli, data, "--budget", "100%")[1]["plan"]["chosen"]) == 4
    code, document = scrub(cli, data, "--budget", "100%")
    assert (code, document["plan"]["chosen"], document["files"]) == (0, [], [])


def test_files_over_the_period_are_taken_beyond_the_budget_unless_told_otherwise(cli, data):
    scrub(cli, data)
    move_back(data, 31)
    _, bounded = scrub(cli, data, "--budget", "1%", "--dry-run", "--within-budget")
    assert (len(bounded["plan"]["chosen"]), len(bounded["plan"]["overdue"])) == (1, 4)
    assert not bounded["plan"]["suffices"]
    _, document = scrub(cli, data, "--budget", "1%")
    assert len(document["files"]) == 4
    assert document["plan"]["is_raised"]


def test_a_dry_run_reads_and_writes_nothing(cli, data):
    flip_a_bit(data / NAME)
    unproven(data)
    code, document = scrub(cli, data, "--dry-run", "--budget", "100%")
    assert (code, document["files"], document["is_dry_run"]) == (0, [], True)
    assert len(document["plan"]["chosen"]) == 4
    assert not (data / "scrub.json").exists()
    text = cli("scrub", data, "--dry-run", "--budget", "100%").stdout
    assert f"{NAME}  {(data / NAME).stat().st_size:,} B  never" in text


def test_damage_ends_with_1_today_and_until_the_file_is_replaced(cli, data, pristine_grid):
    flip_a_bit(data / NAME)
    unproven(data)
    done = cli("scrub", data, "--budget", "100%")
    assert done.returncode == 1
    assert "4 of 4 files chosen" in done.stdout
    assert "  fix: " in done.stdout
    again = cli("scrub", data)
    assert again.returncode == 1
    assert f"error: {NAME} was found damaged by an earlier scrub" in again.stdout
    assert scrub(cli, data)[1]["damaged"] == [NAME]
    shutil.copy(pristine_grid / "data" / NAME, data / NAME)
    assert scrub(cli, data, "--budget", "100%")[0] == 0


def test_a_replaced_file_counts_as_new(cli, data):
    unproven(data)
    scrub(cli, data, "--budget", "100%")
    before = ledger_of(data).files[NAME]
    shutil.copy(data / NAME, data / "copy")
    (data / "copy").replace(data / NAME)
    os.utime(data / NAME, (later := datetime.now(UTC).timestamp() + 90_000, later))
    _, document = scrub(cli, data, "--dry-run", "--budget", "50%")
    assert document["plan"]["chosen"] == [NAME] or document["plan"]["allowed_bytes"] <= 0
    move_back(data, 2)
    assert scrub(cli, data, "--budget", "50%")[1]["plan"]["chosen"][0] == NAME
    assert ledger_of(data).files[NAME].version != before.version


def test_a_file_that_is_gone_is_told_once_and_forgotten(cli, data):
    scrub(cli, data)
    (data / NAME).unlink()
    assert NAME in cli("scrub", data).stderr
    assert cli("scrub", data).stderr == ""
    assert NAME not in ledger_of(data).files


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"files": {}}', "flip a digit"])
def test_a_damaged_ledger_is_set_aside_and_the_files_are_verified_anew(cli, data, damage):
    unproven(data)
    scrub(cli, data, "--budget", "100%")
    path = data / "scrub.json"
    text = re.sub(r'"last_verified": "2', '"last_verified": "3', path.read_text())
    path.write_text(text if damage == "flip a digit" else damage)
    done = cli("scrub", data, "--budget", "20%", "--json")
    assert done.returncode == 0
    assert "every file counts as never verified" in done.stderr
    assert (data / "scrub.json.damaged").exists()
    assert len(json.loads(done.stdout)["plan"]["chosen"]) == 1
    assert len(ledger_of(data).files) == 4


def test_a_ledger_that_can_not_be_written_ends_with_2_before_anything_is_read(cli, data):
    (data / "scrub.json").mkdir()
    done = cli("scrub", data)
    assert (done.returncode, done.stdout) == (2, "")
    assert str(data / "scrub.json") in done.stderr


def test_a_killed_scrub_keeps_what_it_had_verified(cli, data):
    unproven(data)
    scrub(cli, data, "--budget", "100%", "--dry-run")
    ledger = Ledger()
    ledger.look(data, list(files_of(data)), datetime.now(UTC))
    ledger.record(NAME, datetime.now(UTC), is_clean=True)
    write_ledger(data / "scrub.json", ledger)
    (data / ".scrub.json.99.tmp").write_text("{")
    chosen = scrub(cli, data, "--budget", "100%")[1]["plan"]["chosen"]
    assert len(chosen) == 3
    assert NAME not in chosen


def test_two_scrubs_at_once_are_refused(cli, data):
    directory = os.open(data, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        done = cli("scrub", data)
    finally:
        os.close(directory)
    assert (done.returncode, done.stdout) == (2, "")
    assert "another that runs now" in done.stderr


@pytest.mark.parametrize(
    "options",
    [["--budget", "0%"], ["--budget", "many"], ["--period-days", "0"], ["--period-days", "x"]],
)
def test_wrong_use_ends_with_2_and_an_empty_stdout(cli, pristine_grid, options):
    done = cli("scrub", pristine_grid / "data", "--dry-run", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("place", ["absent", "empty", "a_file"])
def test_a_place_without_trajectories_ends_with_2(cli, tmp_path, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a_file").write_text("x")
    done: subprocess.CompletedProcess[str] = cli("scrub", tmp_path / place)
    assert (done.returncode, done.stdout) == (2, "")
    assert str(tmp_path / place) in done.stderr


def test_the_command_explains_itself_with_an_example():
    done = CliRunner().invoke(app, ["scrub", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == 0
    assert "Example: quarry scrub" in done.output.replace("`", "")

"""Answers about files are kept while nothing about the files changes, and no longer."""

import os
import time
from pathlib import Path

import pytest

import quarry.unchanged_files
from quarry.unchanged_files import UnchangedFiles


class Counted:
    """Reads a file and counts how often."""

    def __init__(self, path: Path) -> None:
        self.path, self.n_reads = path, 0

    def read(self) -> str:
        self.n_reads += 1
        return self.path.read_text() if self.path.exists() else "no file"


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file; changes count as long past at once, since a test can't wait for the clock."""
    monkeypatch.setattr(quarry.unchanged_files, "_RACY_NS", -(10**9))
    path = tmp_path / "file"
    path.write_text("one")
    return path


def test_an_unchanged_file_is_read_once(settled: Path) -> None:
    kept, counted = UnchangedFiles[str](), Counted(settled)
    answers = [kept.answer((settled,), counted.read) for _ in range(3)]
    assert (answers, counted.n_reads) == (["one"] * 3, 1)


def test_a_change_of_the_same_length_and_time_is_seen(settled: Path) -> None:
    kept, counted = UnchangedFiles[str](), Counted(settled)
    before = settled.stat()
    kept.answer((settled,), counted.read)
    time.sleep(0.02)  # the clock of the file system has moved on
    settled.write_text("two")
    os.utime(settled, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert kept.answer((settled,), counted.read) == "two"


def test_a_file_that_takes_the_place_of_another_is_seen(settled: Path) -> None:
    kept, counted = UnchangedFiles[str](), Counted(settled)
    kept.answer((settled,), counted.read)
    other = settled.with_name("other")
    other.write_text("two")
    other.replace(settled)
    assert kept.answer((settled,), counted.read) == "two"


@pytest.mark.parametrize("beside", ["appears", "vanishes"])
def test_a_second_file_that_comes_or_goes_is_seen(settled: Path, beside: str) -> None:
    kept, counted = UnchangedFiles[str](), Counted(settled)
    second = settled.with_name("second")
    if beside == "vanishes":
        second.touch()
    kept.answer((settled, second), counted.read)
    second.touch() if beside == "appears" else second.unlink()
    kept.answer((settled, second), counted.read)
    assert counted.n_reads == 2


def test_what_was_changed_a_moment_ago_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    kept, counted = UnchangedFiles[str](), Counted(path)
    for _ in range(2):
        kept.answer((path,), counted.read)
    assert counted.n_reads == 2


def test_nothing_is_kept_for_ever(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarry.unchanged_files, "_KEPT_S", (0.0, 0.0))
    kept, counted = UnchangedFiles[str](), Counted(settled)
    for _ in range(2):
        kept.answer((settled,), counted.read)
    assert counted.n_reads == 2


def test_an_answer_that_is_not_to_be_kept_is_asked_for_again(settled: Path) -> None:
    kept, counted = UnchangedFiles[str](), Counted(settled)
    for _ in range(2):
        kept.answer((settled,), counted.read, keeps=lambda answer: answer != "one")
    assert counted.n_reads == 2

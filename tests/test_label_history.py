"""Publishing labels keeps the table of the grader version before, and only that."""

import errno
import os
from pathlib import Path

import pandas as pd
import pytest

from quarry import label_history
from quarry.label_history import (
    history_path,
    labels_digest,
    publish_labels,
    replaced_labels,
)
from quarry.tables import read_table


def table(version: str, verdict: str = "correct", **attributes: str) -> pd.DataFrame:
    frame = pd.DataFrame({"sample_id": ["a"], "verdict": [verdict], "grader_version": [version]})
    frame.attrs.update(attributes)
    return frame


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels" / "gsm8k_labels.parquet"


def before(path: Path) -> str | None:
    """The verdict in the table that the present one took over from."""
    found = replaced_labels(read_table(path), path)
    return None if found is None else str(found["verdict"].iloc[0])


def test_first_labels_took_over_from_none(path: Path):
    publish_labels(table("1"), path)
    assert before(path) is None
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_labels_of_another_version_keep_the_replaced_table(path: Path):
    publish_labels(table("1", "incorrect", note="kept"), path)
    publish_labels(table("2"), path)
    assert before(path) == "incorrect"
    kept = read_table(history_path(path, "1"))
    assert kept.attrs["note"] == "kept"
    assert list(read_table(path)["grader_version"]) == ["2"]


def test_the_same_version_replaces_itself_and_still_points_to_the_one_before(path: Path):
    publish_labels(table("1", "incorrect"), path)
    publish_labels(table("2", "timeout"), path)
    publish_labels(table("2", "correct"), path)
    assert before(path) == "incorrect"
    assert [one.name for one in history_path(path, "1").parent.iterdir()] == [
        "gsm8k_labels.v1.parquet"
    ]


def test_a_return_to_an_older_version_is_a_change_as_well(path: Path):
    for version, verdict in (("1", "incorrect"), ("2", "timeout"), ("1", "correct")):
        publish_labels(table(version, verdict), path)
    assert before(path) == "timeout"


def test_a_kill_between_keeping_and_replacing_leaves_nothing_behind(path: Path):
    publish_labels(table("1", "incorrect"), path)
    kept = history_path(path, "1")
    kept.parent.mkdir()
    kept.hardlink_to(path)  # renaming one name of a file to its other name does nothing
    publish_labels(table("2"), path)
    assert before(path) == "incorrect"
    assert [one.name for one in kept.parent.iterdir()] == [kept.name]


def test_what_another_run_publishes_meanwhile_does_not_get_into_the_history(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    publish_labels(table("1", "incorrect"), path)
    publish_labels(table("1", "timeout"), path)

    def read(one: Path) -> pd.DataFrame:
        found = read_table(one)
        monkeypatch.setattr(label_history, "read_table", read_table)
        publish_labels(table("2"), path)
        return found

    monkeypatch.setattr(label_history, "read_table", read)
    publish_labels(table("2"), path)
    assert before(path) == "timeout"
    assert list(read_table(history_path(path, "1"))["grader_version"]) == ["1"]


def test_where_there_are_no_hard_links_the_table_is_copied(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    publish_labels(table("1", "incorrect"), path)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    publish_labels(table("2"), path)
    assert before(path) == "incorrect"


def test_what_can_not_be_read_is_replaced_without_history(path: Path):
    path.parent.mkdir()
    path.write_bytes(b"no table")
    publish_labels(table("2"), path)
    assert before(path) is None


def test_the_callers_table_is_left_as_it_is(path: Path):
    publish_labels(table("1"), path)
    labels = table("2")
    publish_labels(labels, path)
    assert labels.attrs == {}


@pytest.mark.parametrize("version", ["../../x", "a/b", "", "2 beta"])
def test_a_version_never_leads_out_of_the_folder(path: Path, version: str):
    kept = history_path(path, version)
    assert kept.parent == path.parent / "history"
    assert os.path.normpath(kept) == str(kept)


def test_the_data_version_of_labels_knows_verdicts_and_no_times():
    def graded(evidence: str, verdict: str = "correct") -> str:
        return labels_digest(table("1", verdict).assign(evidence=evidence))

    slow, fast = '{"rule": "a", "wall_s": 0.9}', '{"rule": "a", "wall_s": 0.1}'
    assert graded(slow) == graded(fast)
    assert len({graded(fast), graded('{"rule": "b"}'), graded(fast, "incorrect")}) == 3

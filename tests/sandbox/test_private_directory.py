"""Removing what programs leave, and watching how much it is."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from quarry.sandbox.inside import private_directory
from quarry.sandbox.inside.private_directory import HostDirectory, remove_abandoned, remove_tree


@pytest.fixture
def directory(tmp_path: Path) -> HostDirectory:
    made = HostDirectory(str(tmp_path))
    made.prepare()
    return made


def test_a_tree_of_two_thousand_levels_is_removed(tmp_path: Path):
    home = os.getcwd()  # noqa: PTH109
    top = tmp_path / "top"
    top.mkdir()
    os.chdir(top)
    try:
        for _ in range(2000):
            os.mkdir("d")  # noqa: PTH102
            os.chdir("d")
    finally:
        os.chdir(home)
    remove_tree(str(top))
    assert not top.exists()


def test_a_random_tree_is_removed_and_what_its_links_name_stays(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    source = random.Random(11)
    folders = [tmp_path / "top"]
    folders[0].mkdir()
    for n in range(300):
        path = source.choice(folders) / str(n)
        match source.randrange(4):
            case 0:
                path.mkdir()
                folders.append(path)
            case 1:
                path.symlink_to(outside, target_is_directory=True)
            case 2:
                os.mkfifo(path)
            case _:
                path.write_text("x")
    shut = source.sample(folders, len(folders) // 2)
    for folder in sorted(shut, key=lambda path: -len(path.parts)):  # an outer one shuts the inner
        folder.chmod(source.choice((0, 0o100, 0o400, 0o500)))
    remove_tree(str(folders[0]))
    assert not folders[0].exists()
    assert (outside / "kept").read_text() == "kept"


def test_a_link_in_the_place_of_the_tree_is_not_followed(tmp_path: Path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="link"):
        remove_tree(str(tmp_path / "link"))
    assert (tmp_path / "outside").is_dir()


def test_a_tree_that_is_not_there_is_no_error(tmp_path: Path):
    remove_tree(str(tmp_path / "none"))


def test_too_many_entries_and_too_many_bytes_are_seen(
    directory: HostDirectory, monkeypatch: pytest.MonkeyPatch
):
    place = Path(directory.path)
    assert not directory.is_over_quota()
    (place / "large").write_bytes(bytes(200_000))
    (place / "sub").mkdir()
    for n in range(20):
        (place / "sub" / str(n)).touch()
    assert not directory.is_over_quota()
    monkeypatch.setattr(private_directory, "_MOST_BYTES", 100_000)
    assert directory.is_over_quota()
    monkeypatch.undo()
    monkeypatch.setattr(private_directory, "_MOST_ENTRIES", 21)
    assert directory.is_over_quota()


def test_links_do_not_lead_the_watch_elsewhere(directory: HostDirectory, tmp_path: Path):
    Path(directory.path, "root").symlink_to("/usr")
    Path(directory.path, "self").symlink_to(".")
    assert not directory.is_over_quota()
    directory.close()


def test_a_folder_that_vanishes_meanwhile_is_not_counted(directory: HostDirectory):
    Path(directory.path).rmdir()
    assert not directory.is_over_quota()


def test_a_path_longer_than_the_kernel_takes_counts_as_full(directory: HostDirectory):
    home = os.getcwd()  # noqa: PTH109
    os.chdir(directory.path)
    try:
        for _ in range(25):
            os.mkdir("d" * 250)  # noqa: PTH102
            os.chdir("d" * 250)
    finally:
        os.chdir(home)
    assert directory.is_over_quota()
    directory.close()


def test_only_abandoned_directories_are_removed(tmp_path: Path):
    held = HostDirectory(str(tmp_path))
    (tmp_path / "quarry-box-abandoned" / "program").mkdir(parents=True)
    (tmp_path / "quarry-box-file").write_text("no directory")
    (tmp_path / "other").mkdir()
    remove_abandoned(str(tmp_path))
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {Path(held.base).name, "quarry-box-file", "other"}

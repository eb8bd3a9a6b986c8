"""A directory appears whole or not at all, and replaces another one without a gap."""

import errno

import pytest

from quarry import whole_directory
from quarry.errors import StorageFullError
from quarry.whole_directory import publish_directory


def publish(final, text: str) -> None:
    with publish_directory(final) as building:
        (building / "inner").mkdir()
        (building / "inner/file").write_text(text)
        assert not final.exists() or (final / "inner/file").read_text() != text


def test_a_directory_appears_with_all_its_files(tmp_path):
    publish(tmp_path / "deep/set", "one")
    assert (tmp_path / "deep/set/inner/file").read_text() == "one"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["set"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_directory_is_replaced_and_nothing_is_left_beside_it(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(whole_directory, "_exchanged", lambda building, final: False)
    publish(tmp_path / "set", "one")
    publish(tmp_path / "set", "two")
    assert (tmp_path / "set/inner/file").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_where_names_can_be_exchanged_there_is_no_moment_without_the_directory(
    tmp_path, monkeypatch
):
    for name in ("one", "two"):
        (tmp_path / name / name).mkdir(parents=True)
    if not whole_directory._exchanged(tmp_path / "one", tmp_path / "two"):
        pytest.skip("this file system can't exchange two names")
    assert (tmp_path / "one/two").is_dir()
    monkeypatch.setattr(whole_directory, "_replace_in_two_steps", None)
    publish(tmp_path / "set", "one")
    publish(tmp_path / "set", "two")
    assert (tmp_path / "set/inner/file").read_text() == "two"


def test_without_an_exchange_the_old_directory_gets_its_name_back(tmp_path):
    publish(tmp_path / "set", "one")
    with pytest.raises(FileNotFoundError):
        whole_directory._replace_in_two_steps(tmp_path / ".set-none", tmp_path / "set")
    assert (tmp_path / "set/inner/file").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StorageFullError),
        (RuntimeError("I/O error: No space left on device (os error 28)"), StorageFullError),
        (ValueError("another"), ValueError),
    ],
)
def test_after_an_error_the_old_directory_stays_alone(tmp_path, error, raised):
    publish(tmp_path / "set", "one")

    def fail() -> None:
        with publish_directory(tmp_path / "set") as building:
            (building / "file").write_text("half")
            raise error

    with pytest.raises(raised):
        fail()
    assert (tmp_path / "set/inner/file").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]

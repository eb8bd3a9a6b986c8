"""A checkpoint that is not whole is told from one that is, wherever it was cut off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.sampling.whole_checkpoint import what_is_missing
from tests.sampling.run_folders import make_checkpoint, make_sharded

INDEX = "model.safetensors.index.json"
SHARD = "model-00002-of-00002.safetensors"


@pytest.mark.parametrize("make", [make_checkpoint, make_sharded])
def test_a_whole_checkpoint_lacks_nothing(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    assert what_is_missing(make(tmp_path / "a")) == ""


def test_a_checkpoint_as_transformers_writes_it_lacks_nothing(model_dir: Path) -> None:
    assert what_is_missing(model_dir) == ""


@pytest.mark.parametrize("make", [make_checkpoint, make_sharded])
def test_every_file_is_needed_and_named_whole(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    names = sorted(one.name for one in make(tmp_path / "a").iterdir())
    for number, name in enumerate(names):
        folder = make(tmp_path / f"without {number}")
        (folder / name).unlink()
        assert name in what_is_missing(folder), f"without {name}"


@pytest.mark.parametrize("make", [make_checkpoint, make_sharded])
def test_a_file_that_was_cut_off_anywhere_is_named(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    folder = make(tmp_path / "a")
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        whole = len(content.rstrip())
        for length in {0, 1, 7, 8, 9, whole // 2, whole - 1}:
            path.write_bytes(content[:length])
            missing = what_is_missing(folder)
            assert path.name in missing, f"{path.name} cut at {length} of {whole}"
            assert missing.startswith("only a part of ")
        path.write_bytes(content)
    assert what_is_missing(folder) == ""


def test_parts_of_weights_without_their_index_are_not_whole(tmp_path: Path) -> None:
    """Copied in order of their names, the parts come before the index."""
    folder = make_sharded(tmp_path / "a")
    (folder / INDEX).unlink()
    (folder / SHARD).unlink()
    assert what_is_missing(folder) == f"neither model.safetensors nor {INDEX}"


def test_a_part_that_the_index_names_is_missing(tmp_path: Path) -> None:
    folder = make_sharded(tmp_path / "a")
    (folder / SHARD).unlink()
    assert what_is_missing(folder) == f"no {SHARD}"


def test_weights_that_are_longer_than_their_header_says_are_not_whole(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "a")
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert what_is_missing(folder) == "only a part of model.safetensors"


@pytest.mark.parametrize(
    "header",
    [b"[]", b"{}", b"null", b'"w"', b"1", b'{"w": 1}', b'{"w": {}}', b'{"w": {"data_offsets": []}}',
     b'{"w": {"data_offsets": [0, "x"]}}', b'{"w": {"data_offsets": null}}', b"[" * 5000, b"\xff"],
)  # fmt: skip
def test_a_header_of_garbage_is_no_error(tmp_path: Path, header: bytes) -> None:
    folder = make_checkpoint(tmp_path / "a")
    content = len(header).to_bytes(8, "little") + header
    (folder / "model.safetensors").write_bytes(content)
    assert what_is_missing(folder) == "only a part of model.safetensors"


@given(content=st.binary(max_size=80))
@settings(max_examples=100, deadline=None)
def test_no_bytes_are_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = make_sharded(tmp_path_factory.mktemp("any") / "a")
    (folder / SHARD).write_bytes(content)
    assert what_is_missing(folder) == f"only a part of {SHARD}"


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", "null", "{", '{"weight_map": []}', '{"weight_map": ["a"]}', '{"weight_map": 1}'],
)
def test_an_index_of_garbage_is_not_whole(tmp_path: Path, content: str) -> None:
    folder = make_sharded(tmp_path / "a")
    (folder / INDEX).write_text(content)
    assert what_is_missing(folder) == f"only a part of {INDEX}"


def test_names_in_an_index_that_are_no_files_are_not_whole(tmp_path: Path) -> None:
    folder = make_sharded(tmp_path / "a")
    (folder / INDEX).write_text(json.dumps({"weight_map": {"w": 3, "v": SHARD}}))
    assert what_is_missing(folder) == "no 3"


def test_folders_in_place_of_files_are_not_whole(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "a")
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    assert what_is_missing(folder) == "no config.json"
    assert what_is_missing(tmp_path / "nowhere") == "no config.json"


def test_a_sentencepiece_tokenizer_counts(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "a")
    (folder / "tokenizer.json").rename(folder / "tokenizer.model")
    assert what_is_missing(folder) == ""
    (folder / "tokenizer.model").write_bytes(b"")
    assert what_is_missing(folder) == "only a part of tokenizer.model"

"""A file gives back what was written, and refuses what is no row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import (
    EngineMemoryError,
    FileMissingError,
    IntegrityError,
    QuarryError,
    TrajectoryFormatError,
    UnknownNameError,
    UsageError,
)
from quarry.trajectory.layout import TrajectoryRow, chunk_tokens, storable_text
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.staging import staging_path
from quarry.trajectory.verification import verify
from quarry.trajectory.writer import TrajectoryWriter
from tests.trajectory.damage import bytes_of_chunk, flip_bit
from tests.trajectory.examples import (
    make_header,
    make_row,
    make_rows,
    publish_example,
    stage,
    write_legacy,
)


def assert_same(left: TrajectoryRow, right: TrajectoryRow) -> None:
    for name, value in vars(left).items():
        other = getattr(right, name)
        if isinstance(value, np.ndarray):
            assert value.dtype == other.dtype
            np.testing.assert_array_equal(value, other)
        else:
            assert (storable_text(value) if isinstance(value, str) else value) == other


@settings(max_examples=20, derandomize=True, deadline=None)
@given(
    n_samples=st.integers(1, 4),
    layers=st.lists(st.integers(0, 40), min_size=1, max_size=4, unique=True),
    d_model=st.integers(1, 200),
    max_seq_len=st.integers(12, 70),
    scope=st.sampled_from(["prompt", "output", "prompt+output"]),
    n_shot=st.sampled_from([0, 8]),
    texts=st.tuples(st.text(min_size=1), st.text(), st.text()),
)
def test_any_shape_and_text_comes_back_as_it_was_and_verifies_clean(
    n_samples: int,
    layers: list[int],
    d_model: int,
    max_seq_len: int,
    scope: Any,
    n_shot: int,
    texts: tuple[str, str, str],
) -> None:
    header = make_header(
        n_samples=n_samples,
        layers=tuple(layers),
        d_model=d_model,
        max_seq_len=max_seq_len,
        scope=scope,
        n_shot=n_shot,
    )
    rows = make_rows(header)
    odd = dict(zip(("prompt", "model_output", "ground_truth"), texts, strict=True))
    rows[0] = replace(rows[0], **odd)
    with TemporaryDirectory() as folder:
        staged = stage(Path(folder), header, rows)
        report = verify(staged.path, manifest=staged.manifest)
        assert [found for found in report.findings if found.severity == "error"] == []
        with TrajectoryReader(staged.path) as reader:
            assert reader.header == header
            for row, back in zip(rows, reader.iterate(), strict=True):
                assert_same(row, back)


def test_a_sample_is_found_by_row_and_by_id(pristine: Path) -> None:
    with TrajectoryReader(pristine) as reader:
        sample_id = reader.sample_ids[3]
        np.testing.assert_array_equal(reader.hidden_states(3), reader.hidden_states(sample_id))
        assert len(reader.token_ids(3)) == reader.sequence_lengths[3]
        for nobody in ("gsm8k/test/1", 12, -1):
            with pytest.raises(UnknownNameError, match="not in the file"):
                reader.hidden_states(nobody)


def test_the_table_has_one_row_a_sample(pristine: Path) -> None:
    with TrajectoryReader(pristine) as reader:
        table = reader.table()
    assert list(table.columns) == [
        "sample_id",
        "prompt",
        "model_output",
        "ground_truth",
        "prompt_length",
        "output_length",
        "finish_reason",
        "sequence_length",
    ]
    assert len(table) == 12
    assert (table.prompt_length + table.output_length == table.sequence_length).all()


def test_plain_h5py_reads_the_legacy_datasets(pristine: Path) -> None:
    rows = make_rows(make_header())
    with h5py.File(pristine, "r") as file:
        lengths = file["sequence_lengths"][:]
        states = file["trajectories"]
        assert states.dtype == np.float16
        assert states.shape == (12, 60, 3, 64)
        for index, row in enumerate(rows):
            np.testing.assert_array_equal(states[index, : lengths[index]], row.hidden_states)
            assert not states[index, lengths[index] :].any()
        assert [text.decode() for text in file["prompts"][:]] == [row.prompt for row in rows]
        assert file["ground_truth"][2] == b"2"
        assert file.attrs["model_type"] == "raw"
        assert list(file.attrs["layers"]) == [0, 2, 4]
        assert bool(file.attrs["complete"])


def test_unwritten_tails_take_no_space(tmp_path: Path) -> None:
    short, long = make_header(), make_header(max_seq_len=6000)
    rows = make_rows(short)
    sizes = [stage(tmp_path, header, rows).manifest.size_bytes for header in (short, long)]
    assert sizes[1] < 1.15 * sizes[0]


def test_a_chunk_is_one_sample_and_about_a_mebibyte() -> None:
    assert chunk_tokens(512, 16, 4096) == 8
    assert chunk_tokens(60, 3, 64) == 21
    assert chunk_tokens(600, 6, 768) == 16
    assert chunk_tokens(4, 1, 8) == 4
    assert chunk_tokens(100, 64, 16384) == 1


def test_content_digest_ignores_date_engine_and_container(tmp_path: Path) -> None:
    header = make_header()
    later = replace(header, collection_date="2026-05-01T00:00:00+00:00", engine={"name": "vllm"})
    wider = replace(header, max_seq_len=300)
    manifests = [stage(tmp_path, one, make_rows(header)).manifest for one in (header, later, wider)]
    assert len({manifest.content_digest for manifest in manifests}) == 1
    assert len({manifest.digests for manifest in manifests}) == 3
    other = stage(tmp_path, header, make_rows(header, seed=1)).manifest
    assert other.content_digest != manifests[0].content_digest


def wrong_rows() -> dict[str, dict[str, Any]]:
    row = make_row(0, make_header())
    states = row.hidden_states
    nan, zero, flat = states.copy(), states.copy(), states.copy()
    nan[4, 1, 7], zero[-2:], flat[:] = np.nan, 0, flat[0]
    return {
        "float32": {"hidden_states": states.astype(np.float32)},
        "one layer too few": {"hidden_states": states[:, :2]},
        "one token too few": {"hidden_states": states[:-1]},
        "two axes": {"hidden_states": states[:, 0]},
        "wrong token count": {"token_ids": row.token_ids[:-1]},
        "float tokens": {"token_ids": row.token_ids.astype(np.float64)},
        "negative length": {"prompt_length": -1, "output_length": len(states) + 1},
        "no id": {"sample_id": ""},
        "no prompt": {"prompt": ""},
        "NaN": {"hidden_states": nan},
        "zero rows": {"hidden_states": zero},
        "constant rows": {"hidden_states": flat},
    }


@pytest.mark.parametrize("name", wrong_rows())
def test_a_wrong_row_is_refused_and_the_file_goes_on(tmp_path: Path, name: str) -> None:
    header = make_header()
    with TrajectoryWriter(tmp_path / "staged.h5", header) as writer:
        with pytest.raises((TrajectoryFormatError, IntegrityError), match="can't be stored"):
            writer.append(replace(make_row(0, header), **wrong_rows()[name]))
        for row in make_rows(header):
            writer.append(row)
        staged = writer.finish()
    assert verify(staged.path, manifest=staged.manifest).findings == []


def test_too_many_too_few_and_doubled_rows_are_refused(tmp_path: Path) -> None:
    header = make_header(n_samples=2)
    with TrajectoryWriter(tmp_path / "staged.h5", header) as writer:
        writer.append(make_row(0, header))
        with pytest.raises(TrajectoryFormatError, match="lacks rows"):
            writer.finish()
        with pytest.raises(TrajectoryFormatError, match="twice"):
            writer.append(make_row(0, header))
        writer.append(make_row(1, header))
        with pytest.raises(TrajectoryFormatError, match="full already"):
            writer.append(make_row(2, header))
        writer.finish()
    assert (tmp_path / "staged.h5").exists()


def test_leaving_the_block_early_removes_the_file(tmp_path: Path) -> None:
    header = make_header()
    path = staging_path(tmp_path, header.key)

    def fail() -> None:
        with TrajectoryWriter(path, header) as writer:
            writer.append(make_row(0, header))
            raise EngineMemoryError("out of memory")

    with pytest.raises(EngineMemoryError):
        fail()
    with TrajectoryWriter(path, header) as writer:
        writer.append(make_row(0, header))
    assert list(path.parent.iterdir()) == []


def test_an_existing_path_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "staged.h5"
    path.write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists already"):
        TrajectoryWriter(path, make_header())
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": ()},
        {"layers": (1, 1)},
        {"d_model": 0},
        {"scope": "all"},
        {"collection_date": "yesterday"},
        {"collection_date": "2026-03-01T12:00:00"},
        {"generation": {"stop": {1, 2}}},
    ],
)
def test_a_wrong_header_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TrajectoryFormatError, match="header is wrong"):
        make_header(**changes)


def test_a_file_that_can_not_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match="materialise the partition"):
        TrajectoryReader(tmp_path / "none.h5")
    garbage = tmp_path / "garbage.h5"
    garbage.write_bytes(b"no hdf5 at all" * 100)
    with pytest.raises(TrajectoryFormatError, match="can't be opened"):
        TrajectoryReader(garbage)
    with pytest.raises(TrajectoryFormatError, match="older pipeline") as caught:
        TrajectoryReader(write_legacy(tmp_path / "old.h5"))
    assert isinstance(caught.value, QuarryError)
    assert "old.h5" in str(caught.value)


def test_a_changed_bit_is_noticed_when_it_is_read(published: Path) -> None:
    start, _ = bytes_of_chunk(published, 4)
    flip_bit(published, start + 100)
    with TrajectoryReader(published) as reader:
        assert len(reader.hidden_states(3)) == reader.sequence_lengths[3]
        with pytest.raises(IntegrityError, match="changed after publication") as caught:
            reader.hidden_states(4)
    assert caught.value.findings[0].sample_id == "gsm8k/test/12"
    assert f"bytes {start}-" in caught.value.findings[0].where
    with TrajectoryReader(published, is_checked=False) as reader:
        assert len(reader.hidden_states(4)) == reader.sequence_lengths[4]


def test_a_file_under_another_files_manifest_is_not_read(published: Path, tmp_path: Path) -> None:
    other, _ = publish_example(tmp_path / "other", seed=1)
    published.write_bytes(other.read_bytes())
    with pytest.raises(IntegrityError, match="not what its manifest says"):
        TrajectoryReader(published)


def test_a_changed_length_or_text_is_noticed_when_it_is_read(published: Path) -> None:
    output = make_rows(make_header())[5].model_output.encode()
    flip_bit(published, published.read_bytes().index(output) + 1)
    with TrajectoryReader(published) as reader:
        with pytest.raises(IntegrityError, match="Texts or lengths changed"):
            reader.table()
        with pytest.raises(IntegrityError, match="Texts or lengths changed"):
            reader.hidden_states(0)


def test_an_open_reader_outlives_a_new_publication(tmp_path: Path) -> None:
    path, _ = publish_example(tmp_path)
    with TrajectoryReader(path) as reader:
        publish_example(tmp_path, seed=1)
        rows = make_rows(make_header())
        np.testing.assert_array_equal(reader.hidden_states(3), rows[3].hidden_states)

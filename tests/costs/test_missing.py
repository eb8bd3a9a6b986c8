"""How many samples a cell lacks, from what lies around."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from quarry.collection import collect
from quarry.costs.estimate import Missing
from quarry.costs.grid import GridCosts
from quarry.costs.log import CostLog
from quarry.costs.missing import missing_samples
from quarry.data_directory import DataDirectory
from quarry.errors import EngineMemoryError
from quarry.healing.salvaging import salvage_first
from quarry.trajectory.publication import publish
from quarry.trajectory.verification import verify
from tests.contracts.arithmetic_engine import KEY, N_SAMPLES, ArithmeticEngine, benchmark, catalog
from tests.costs.records import record


def collected(data_dir: Path, stop_after: int | None = None) -> Path:
    """Collect and publish the cell, or stop with the samples so far in staging."""
    engine, final = ArithmeticEngine(stop_after), data_dir / KEY.trajectory_path
    publish(collect(KEY, catalog(), benchmark(), engine, data_dir, log=lambda _: None), final)
    return final


def interrupted(data_dir: Path, stop_after: int) -> None:
    with pytest.raises(EngineMemoryError):
        collected(data_dir, stop_after)


def flip_a_state(path: Path, row: int) -> None:
    """Change one byte of a row's states."""
    with h5py.File(path) as file:
        dataset = file["trajectories"]
        offset = dataset.id.get_chunk_info_by_coord((row, 0, 0, 0)).byte_offset
    with path.open("r+b") as raw:
        raw.seek(offset)
        byte = raw.read(1)
        raw.seek(offset)
        raw.write(bytes([byte[0] ^ 1]))


def test_of_a_cell_without_anything_all_is_lacking(tmp_path: Path):
    assert missing_samples(KEY, catalog(), tmp_path) == Missing(N_SAMPLES, N_SAMPLES)


def test_rows_of_an_interrupted_collection_are_there(tmp_path: Path):
    interrupted(tmp_path, 4)
    assert missing_samples(KEY, catalog(), tmp_path) == Missing(N_SAMPLES - 4, N_SAMPLES)
    interrupted(tmp_path, 1)
    assert missing_samples(KEY, catalog(), tmp_path) == Missing(N_SAMPLES - 5, N_SAMPLES)


def test_a_row_whose_states_changed_is_the_only_one_that_is_lacking(tmp_path: Path):
    path = collected(tmp_path)
    for row in (2, 5):
        flip_a_state(path, row)
    findings = verify(path).findings
    assert missing_samples(KEY, catalog(), tmp_path, findings) == Missing(2, N_SAMPLES)
    assert missing_samples(KEY, catalog(), tmp_path) == Missing(N_SAMPLES, N_SAMPLES)
    salvage_first(path, KEY, tmp_path, lambda _: None)
    assert missing_samples(KEY, catalog(), tmp_path) == Missing(2, N_SAMPLES)


def test_of_a_truncated_file_nothing_is_known(tmp_path: Path):
    path = collected(tmp_path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    findings = verify(path).findings
    assert missing_samples(KEY, catalog(), tmp_path, findings) == Missing(N_SAMPLES, N_SAMPLES)


def test_a_damaged_journal_is_no_failure(tmp_path: Path):
    interrupted(tmp_path, 4)
    (journal,) = (tmp_path / "staging").glob("*.journal")
    data = journal.read_bytes()
    journal.write_bytes(data[:-3])
    assert missing_samples(KEY, catalog(), tmp_path).n_samples == N_SAMPLES - 3
    journal.write_bytes(b"\xff\n\n{}")
    assert missing_samples(KEY, catalog(), tmp_path).n_samples == N_SAMPLES


def test_a_grid_reads_its_log_and_takes_off_what_is_there(tmp_path: Path):
    log = CostLog(DataDirectory(tmp_path).costs)
    log.append(replace(record(start_s=0.0), model=KEY.model, max_new_tokens=4))
    interrupted(tmp_path, 4)
    with log.path.open("ab") as file:
        file.write(b"torn")
    costs = GridCosts(catalog(), tmp_path)
    estimate = costs.of(KEY)
    assert estimate.gpu_hours.likely == pytest.approx(0.06)
    assert estimate.basis == "1 earlier run of this cell, 4 of 10 samples are there"
    assert costs.remark == "1 damaged line was skipped in the log of costs."

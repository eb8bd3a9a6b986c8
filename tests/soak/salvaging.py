"""Row 13: what is whole of a cut file is kept, and nothing that is not.

The file is shaped like the one of the incident: 100 samples, of which the last 2.8 % of the bytes
are missing. Cuts of other sizes are reported and have no bar but this: no wrong row, ever.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from quarry.salvage.salvaging import SalvageResult, salvage
from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow
from quarry.trajectory.manifest import manifest_path
from quarry.trajectory.publication import publish
from quarry.trajectory.reader import TrajectoryReader
from tests.soak.corpus import Specimen, speak
from tests.soak.old_files import Container, adopt, write_old
from tests.soak.outcome import Outcome, Progress, Tally, silent
from tests.trajectory.examples import stage

ROW = 13
CLAIM = "the rows before a cut are salvaged: 2.8 % of a file of 100 samples is missing"
BAR = "at least 96 % of the rows, 0 wrong rows, marked as partial"
INCIDENT = 0.028
LEAST_SHARE = 0.96
N_SAMPLES = 100
SHAPE = {"layers": tuple(range(0, 8, 2)), "d_model": 256}

OLD_CONTAINERS = {
    "old, one sample a chunk": Container(
        {"libver": "earliest"}, {"chunks": (1, 16, 4, 256), "compression": "gzip"}
    ),
    "old, 32 samples a chunk": Container(
        {"libver": "earliest"}, {"chunks": (32, 32, 1, 256), "compression": "gzip"}
    ),
}


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """The cut of the incident on five files, then `n` random cuts of 1 to 60 %."""
    files = _Files(directory, seed)
    tally = Tally(len(files.specimens) + n, progress)
    rng = np.random.default_rng([seed, ROW])
    kept: dict[str, str] = {}
    for name, one in files.specimens.items():
        share, wrong = files.salvage(one, INCIDENT)
        kept[name] = f"{share:.0%}"
        short = "" if share >= LEAST_SHARE else f"{share:.1%} of the rows kept"
        tally.case(f"{name}, {INCIDENT:.1%} cut", [*wrong, short])
    cuts: dict[str, str] = {}
    for index in range(n):
        name = list(files.specimens)[index % len(files.specimens)]
        cut = float(rng.uniform(0.01, 0.6))
        share, wrong = files.salvage(files.specimens[name], cut)
        cuts[f"{name}, {cut:.1%} cut"] = f"{share:.0%}"
        tally.case(f"{name}, {cut:.1%} cut", wrong)
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=tally.total,
        n_reached=tally.n_held,
        figure="; ".join(f"{name} {share}" for name, share in kept.items()),
        bar=BAR,
        is_met=tally.is_whole,
        seed=seed,
        misses=tuple(tally.misses),
        facts={"random cuts": cuts},
    )


class _Files:
    """The good files, with the rows that they hold."""

    def __init__(self, directory: Path, seed: int) -> None:
        self._directory = directory
        self._header, rows = _alike_rows(seed)
        self._rows = {row.sample_id: row for row in rows}
        self._in_order = rows
        own = _publish(directory, self._header, rows)
        self.specimens = {"own": own}
        self.specimens["own, no manifest"] = own.without_sidecars(directory / "own_alone")
        for name, how in OLD_CONTAINERS.items():
            path = directory / name.replace(" ", "_") / "gsm8k_trajectories.h5"
            self.specimens[name] = Specimen(name, write_old(path, self._header, rows, how))
        shared = self.specimens["old, 32 samples a chunk"].copy_to(directory / "adopted")
        self.specimens["adopted, 32 samples a chunk"] = Specimen("adopted", adopt(shared.path))

    def salvage(self, good: Specimen, cut: float) -> tuple[float, list[str]]:
        """Cut a copy and salvage it: share of rows kept, and all that is wrong with them."""
        bad = good.copy_to(self._directory / "cut")
        os.truncate(bad.path, int(bad.size_bytes * (1 - cut)))
        before = bad.path.read_bytes()
        output = self._directory / "kept.h5"
        for path in self._directory.glob("kept.h5*"):
            path.unlink()
        result = salvage(bad.path, output)
        wrong = [] if bad.path.read_bytes() == before else ["the damaged file was changed"]
        if result.output is not None:
            wrong += self._wrong_rows(result, output)
            kinds = result.report.kinds() if result.report else set[str]()
            wrong += [] if "partial" in kinds else ["not marked as partial"]
        return result.n_kept / N_SAMPLES, wrong

    def _wrong_rows(self, result: SalvageResult, output: Path) -> list[str]:
        """Rows of the new file that are not what was given, one by one."""
        if manifest_path(output).exists() and "samples" in h5py.File(output, "r"):
            with TrajectoryReader(output) as reader:
                found = [reader.row(one) for one in reader.sample_ids]
            pairs = [(row, self._rows[row.sample_id]) for row in found]
            wrong = [row.sample_id for row, given in pairs if not _is_same(row, given)]
        else:
            found, wrong = self._old_rows(output)
        missing = [] if len(found) == result.n_kept else [f"{len(found)} rows, not as told"]
        return [f"{one} is wrong" for one in wrong] + missing

    def _old_rows(self, output: Path) -> tuple[Sequence[int], list[str]]:
        """Original positions of the rows of an old layout, and which of them are wrong."""
        with h5py.File(output, "r") as file:
            rows: list[int] = file["original_rows"][:].tolist()
            wrong = [
                f"row {row}"
                for index, row in enumerate(rows)
                if not _is_old_row(file, index, self._in_order[row])
            ]
        return rows, wrong


def _alike_rows(seed: int) -> tuple[TrajectoryHeader, list[TrajectoryRow]]:
    """Header and rows whose lengths differ little, so that 2.8 % of the bytes are 2.8 rows.

    Of rows in any order the last five may be short, and then a cut of 2.8 % hits all five.
    """
    header, rows = speak(4 * N_SAMPLES, seed=seed, **SHAPE)
    lengths = np.asarray([len(row.hidden_states) for row in rows])
    nearest = np.argsort(np.abs(lengths - np.median(lengths)), kind="stable")[:N_SAMPLES]
    return replace(header, n_samples=N_SAMPLES), [rows[index] for index in sorted(nearest)]


def _publish(directory: Path, header: TrajectoryHeader, rows: Sequence[TrajectoryRow]) -> Specimen:
    """A published file of our format."""
    path = directory / header.key.trajectory_path
    publish(stage(directory, header, rows), path)
    return Specimen("own", path)


def _is_same(row: TrajectoryRow, given: TrajectoryRow) -> bool:
    """Whether all of a row is what was given."""
    texts = ("prompt", "model_output", "ground_truth", "finish_reason", "prompt_length")
    return (
        np.array_equal(row.hidden_states, given.hidden_states)
        and np.array_equal(row.token_ids, given.token_ids)
        and all(getattr(row, name) == getattr(given, name) for name in texts)
    )


def _is_old_row(file: h5py.File, index: int, given: TrajectoryRow) -> bool:
    """Whether a row of an old layout is what was given."""
    length = int(file["sequence_lengths"][index])
    return (
        np.array_equal(file["trajectories"][index, :length], given.hidden_states)
        and file["prompts"][index].decode() == given.prompt
        and file["model_outputs"][index].decode() == given.model_output
        and file["ground_truth"][index].decode() == given.ground_truth
    )

"""Row 3: pages, chunks and tails that hold zeros, in files of the right size, are flagged.

That is what an interrupted parallel download leaves. The same holes are also shown to the rules
alone, in copies that have neither manifest nor table of digests; that share has no bar.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from quarry.trajectory.chunk_map import read_chunk_map
from tests.soak.bit_flips import specimens
from tests.soak.corpus import Specimen, overwritten
from tests.soak.levels import Eye, facts, said_of, shares
from tests.soak.outcome import Outcome, Progress, Tally, silent

ROW = 3
CLAIM = "zero pages, chunks and tails of the right size are flagged"
BAR = "all"
KINDS = ("zero page", "zero chunk", "zero tail")
PAGE_BYTES = 4096
_MOST_DRAWS = 200

Hole = tuple[int, int]
"""`(start, size)` in bytes."""


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` holes, a third of them of each kind."""
    rng = np.random.default_rng([seed, ROW])
    files = [_File(one, directory) for one in specimens(directory, seed)]
    tally = Tally(n, progress)
    for case in range(n):
        file, kind = files[case // len(KINDS) % len(files)], KINDS[case % len(KINDS)]
        start, size = file.draw(kind, rng)
        name = f"case {case}: {kind}, {size} bytes at {start} of {file.specimen.name}"
        with overwritten(file.specimen.path, start, bytes(size)):
            file.eye.look(tally, name, kind)
        with overwritten(file.alone.path, start, bytes(size)):
            tally.counts["by rules alone"] += bool(said_of(file.alone.path) - file.usual)
    alone = tally.share("by rules alone")
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{n} ({shares(tally)}); without manifest {alone}",
        bar=BAR,
        is_met=tally.is_whole,
        seed=seed,
        misses=tuple(tally.misses),
        facts=facts(tally),
    )


class _File:
    """A file to make holes in, and its copy that nothing but the rules protect."""

    def __init__(self, specimen: Specimen, directory: Path) -> None:
        self.specimen = specimen
        self.eye = Eye(specimen)
        self.alone = specimen.without_sidecars(directory / f"alone_{specimen.name}")
        self.usual = said_of(self.alone.path)
        with h5py.File(specimen.path, "r") as file:
            chunk_map = read_chunk_map(file["trajectories"])
        self._chunks = list(zip(chunk_map.starts.tolist(), chunk_map.sizes.tolist(), strict=True))
        self._raw = specimen.path.read_bytes()

    def draw(self, kind: str, rng: np.random.Generator) -> Hole:
        """A hole of a kind where the file is not zero already."""
        for _ in range(_MOST_DRAWS):
            start, size = self._place(kind, rng)
            if any(self._raw[start : start + size]):
                return start, size
        raise AssertionError(f"{self.specimen.name} holds nothing but zeros")

    def _place(self, kind: str, rng: np.random.Generator) -> Hole:
        """Any hole of a kind."""
        size_bytes = len(self._raw)
        if kind == "zero page":
            start = PAGE_BYTES * int(rng.integers(size_bytes // PAGE_BYTES))
            return start, PAGE_BYTES
        if kind == "zero chunk":
            return self._chunks[int(rng.integers(len(self._chunks)))]
        size = int(size_bytes * 10 ** rng.uniform(-4, -0.1))
        return size_bytes - size, size

"""Row 12: damaged files are made whole from a good copy, and only what is damaged is fetched.

Each from a file beside it and from a bucket through HTTP. What is damaged is worked out here, by
comparing bytes with the good file; what is fetched is counted by who hands it out: the copy that
is a file, or the server, which counts the bodies of all its answers.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from quarry.repair.good_copy import LocalCopy
from quarry.repair.repairing import repair
from quarry.trajectory.digest_table import read_table, table_path
from quarry.trajectory.manifest import Manifest, manifest_path, read_manifest
from tests.b2_server import B2Server
from tests.soak.bucket import MirroredCopy
from tests.soak.corpus import Specimen, drawn, make_old, make_own
from tests.soak.old_files import Container
from tests.soak.outcome import Outcome, Progress, Tally, silent

ROW = 12
CLAIM = "damaged files are repaired from a good copy, reading little more than what is damaged"
BAR = "all whole; bytes fetched <= damaged extents + 1 MiB, each"
SPARE_BYTES = 1 << 20
KINDS = ("bits", "pages", "chunks", "cut", "zero tail", "trailing", "head", "no manifest",
         "no table", "bad table", "everything")  # fmt: skip


class CountingCopy(LocalCopy):
    """A copy that counts the bytes that it hands out."""

    n_bytes = 0

    @classmethod
    def of(cls, one: Specimen) -> CountingCopy:
        """A copy of a specimen."""
        return cls(one.path)

    def manifest(self) -> Manifest:
        """The manifest, counted."""
        self.n_bytes += manifest_path(self.path).stat().st_size
        return super().manifest()

    def table(self, digest: str) -> bytes:
        """The table, counted."""
        data = super().table(digest)
        self.n_bytes += len(data)
        return data

    def read_range(self, offset: int, size: int) -> bytes:
        """A range, counted."""
        data = super().read_range(offset, size)
        self.n_bytes += len(data)
        return data


CountedCopy = CountingCopy | MirroredCopy
MakeCopy = Callable[[Specimen], CountedCopy]


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` damaged files, of all kinds in turn, each healed from both sides."""
    good = _specimens(directory, seed)
    tally = Tally(n, progress)
    spent, wasted = Counter[str](), Counter[str]()
    whole = 0
    with B2Server() as server:
        remote = partial(MirroredCopy, server, directory / "locks")
        sides: dict[str, MakeCopy] = {"a file": CountingCopy.of, "the bucket": remote}
        for case in range(n):
            kind, one = KINDS[case % len(KINDS)], good[case % len(good)]
            whole += one.size_bytes
            wrong: list[str] = []
            for side, make_copy in sides.items():
                bad = one.copy_to(directory / "damaged")
                _damage(bad, kind, np.random.default_rng([seed, ROW, case]))
                n_damaged = _damaged_bytes(one, bad)
                copy = make_copy(one)
                wrong += [f"from {side}: {what}" for what in _healed(one, bad, copy, n_damaged)]
                spent[side] += copy.n_bytes
                wasted[side] = max(wasted[side], copy.n_bytes - n_damaged)
            tally.case(f"case {case}: {kind} of {one.name}", wrong)
    figures = [f"{spent[side] / 1e6:.1f} MB from {side}, at most {wasted[side]:,} bytes more "
               "than damaged" for side in sides]  # fmt: skip
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{n} whole from both; files of {whole / 1e6:.1f} MB: "
        + "; ".join(figures),
        bar=BAR,
        is_met=tally.is_whole,
        seed=seed,
        misses=tuple(tally.misses),
        facts={"bytes_of_files": whole, "bytes_fetched": dict(spent), "most_beyond": dict(wasted)},
    )


def _healed(one: Specimen, bad: Specimen, copy: CountedCopy, n_damaged: int) -> list[str]:
    """Repair a file; what is wrong then."""
    result = repair(bad.path, copy)
    is_same = bad.path.read_bytes() == one.path.read_bytes()
    wrong = [
        "" if result.is_whole else f"not whole: {result.findings[:2]}",
        "" if is_same else "the bytes differ",
        "" if copy.n_bytes <= n_damaged + SPARE_BYTES
        else f"{copy.n_bytes:,} bytes fetched for {n_damaged:,} damaged",
    ]  # fmt: skip
    return [what for what in wrong if what]


def _specimens(directory: Path, seed: int) -> list[Specimen]:
    """Files far larger than the bytes to spare: one of ours, and an adopted old one."""
    wide = {"layers": tuple(range(0, 32, 2)), "d_model": 256, "max_seq_len": 90}
    lzf = Container({"libver": "earliest"}, {"chunks": (8, 16, 1, 128), "compression": "lzf"})
    return [
        make_own(directory, "own", seed, n_samples=24, **wide),
        make_old(directory, "adopted", lzf, is_adopted=True, seed=seed,
                 n_samples=24, layers=(0, 4, 8, 12), d_model=512),
    ]  # fmt: skip


def _damage(bad: Specimen, kind: str, rng: np.random.Generator) -> None:
    """Damage a file in one way, or in all ways at once."""
    path, size = bad.path, bad.size_bytes
    table = table_path(path, read_manifest(manifest_path(path)).digests)
    if kind in {"bits", "everything"}:
        for _ in range(int(rng.integers(1, 8))):
            _write(path, int(rng.integers(size)), rng.bytes(1))
    if kind in {"pages", "everything"}:
        _write(path, 4096 * int(rng.integers(size // 4096)), bytes(4096))
    if kind == "chunks":
        extents = read_table(path, read_manifest(manifest_path(path)).digests).extents
        index = drawn(rng, np.flatnonzero(extents["row"] >= 0).tolist())
        _write(path, int(extents["start"][index]), bytes(int(extents["size"][index])))
    if kind == "head":
        _write(path, 0, rng.bytes(64))
    if kind in {"cut", "everything"}:
        os.truncate(path, int(size * rng.uniform(0.5, 0.99)))
    if kind == "zero tail":
        n_zero = int(size * rng.uniform(0.001, 0.2))
        _write(path, size - n_zero, bytes(n_zero))
    if kind == "trailing":
        _write(path, size, rng.bytes(int(rng.integers(1, 50_000))))
    if kind in {"no manifest", "everything"}:
        manifest_path(path).unlink()
    if kind in {"no table", "everything"}:
        table.unlink()
    if kind == "bad table":
        _write(table, int(rng.integers(table.stat().st_size - 8)), rng.bytes(8))


def _write(path: Path, start: int, data: bytes) -> None:
    """Overwrite some bytes."""
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)


def _damaged_bytes(good: Specimen, bad: Specimen) -> int:
    """Size of all extents of the good file whose bytes are not in the damaged one."""
    right, wrong = good.path.read_bytes(), bad.path.read_bytes()
    extents = read_table(good.path, read_manifest(manifest_path(good.path)).digests).extents
    pairs = zip(extents["start"].tolist(), extents["size"].tolist(), strict=True)
    return sum(n for at, n in pairs if right[at : at + n] != wrong[at : at + n])

"""Row 1: a file cut at any byte is flagged by the cheap level, which reads at most 4 KiB of it.

What is read is counted by the kernel (`rchar` of /proc/thread-self/io), not by the code under
test. The remote case reads ranges as an object store gives them: never past the end of the object.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import numpy as np

from quarry.trajectory.manifest import manifest_path
from quarry.trajectory.superblock import SuperblockError, read_superblock
from quarry.trajectory.verify_light import check_light
from tests.soak.corpus import Specimen, make_old, make_own
from tests.soak.old_files import Container
from tests.soak.outcome import Outcome, Progress, Tally, silent

ROW = 1
CLAIM = "random truncations are flagged by the light level, local and remote"
BAR = "all, at most 4,096 bytes of each file read"
LEFT_SHARE = 5
"""One remote case for so many local ones."""

MOST_BYTES = 4096
CUT = {"truncated", "no_signature", "empty", "bad_superblock"}
VARIANTS = {
    "v0": {"libver": "earliest"},
    "v0 user block": {"libver": "earliest", "userblock_size": 1024},
    "v2": {"libver": ("v108", "v108")},
    "v2 user block": {"libver": ("v108", "v108"), "userblock_size": 512},
    "v3": {"libver": ("v110", "v110")},
    "v3 user block": {"libver": ("v110", "v110"), "userblock_size": 2048},
    "v3 paged": {"libver": ("v110", "v110"), "fs_strategy": "page"},
}
SWEPT = {"v0": 0, "v0 user block": 1024, "v2": 0, "own": 0}
"""Variants cut at each of the first 97 bytes of their superblock, and where that begins."""


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` local truncations and a fifth as many remote ones."""
    rng = np.random.default_rng([seed, ROW])
    specimens = _specimens(directory, seed)
    tally = Tally(n + n // LEFT_SHARE, progress)
    most = 0
    cuts = _plan(n, {name: one.size_bytes for name, one in specimens.items()}, rng)
    for name, sizes in cuts.items():
        one = specimens[name]
        for size in sorted(sizes, reverse=True):
            os.truncate(one.path, size)
            kinds, n_bytes = _light(one.path)
            most = max(most, n_bytes)
            tally.case(f"{name} cut to {size} bytes", _wrong(bool(kinds & CUT), n_bytes))
    requests, remote = _run_remote(n // LEFT_SHARE, directory, seed, tally, rng)
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=tally.total,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{tally.total}; most bytes read: {most} local, {remote} remote "
        f"in {requests} requests",
        bar=BAR,
        is_met=tally.is_whole,
        seed=seed,
        misses=tuple(tally.misses),
        facts={"bytes_local": most, "bytes_remote": remote, "variants": len(specimens)},
    )


def _specimens(directory: Path, seed: int) -> dict[str, Specimen]:
    """Old files of every superblock, without and with a manifest, and our own with and without."""
    made = {name: make_old(directory, name, Container(options), seed=seed)
            for name, options in VARIANTS.items()}  # fmt: skip
    adopted = Container({"libver": "earliest"}, {"chunks": (4, 8, 1, 32), "compression": "gzip"})
    made["adopted"] = make_old(directory, "adopted", adopted, is_adopted=True, seed=seed)
    made["own"] = make_own(directory, "own", seed, n_samples=40)
    made["own, no manifest"] = made["own"].without_sidecars(directory / "own_alone")
    return made


def _plan(n: int, sizes: dict[str, int], rng: np.random.Generator) -> dict[str, list[int]]:
    """Sizes to cut each variant to; the sweeps are thinned out where `n` is small."""
    swept = [(name, start + byte) for name, start in SWEPT.items() for byte in range(97)]
    if len(swept) > n // 2:
        swept = [swept[index] for index in rng.choice(len(swept), n // 2, replace=False)]
    names = list(sizes)
    plan: defaultdict[str, list[int]] = defaultdict(list)
    for name, size in swept:
        plan[name].append(size)
    for index in range(n - len(swept)):
        name = names[index % len(names)]
        plan[name].append(int(rng.integers(sizes[name])))
    return plan


def _wrong(is_flagged: bool, n_bytes: int) -> list[str]:
    """What does not hold."""
    return ["not flagged"] * (not is_flagged) + [f"{n_bytes} bytes read"] * (n_bytes > MOST_BYTES)


def _light(path: Path) -> tuple[set[str], int]:
    """Kinds of findings of the light level, and the bytes that this thread read for them."""
    descriptor = os.open("/proc/thread-self/io", os.O_RDONLY)
    try:
        before = os.pread(descriptor, 4096, 0)
        findings = check_light(path).findings
        after = os.pread(descriptor, 4096, 0)
    finally:
        os.close(descriptor)
    # The first reading is counted in the second; so is the manifest, which is no part of the file.
    n_bytes = _rchar(after) - _rchar(before) - len(before) - _size_of(manifest_path(path))
    return {found.kind for found in findings}, n_bytes


def _rchar(text: bytes) -> int:
    """Bytes read so far."""
    return int(text.split()[1])


def _size_of(path: Path) -> int:
    """Size of a file that may be missing."""
    return path.stat().st_size if path.exists() else 0


def _run_remote(
    n: int, directory: Path, seed: int, tally: Tally, rng: np.random.Generator
) -> tuple[int, int]:
    """Cuts seen through ranged reads; returns most requests and most bytes of a file."""
    specimens = list(_specimens(directory / "remote", seed).values())
    raws = [(one.name, one.path.read_bytes()) for one in specimens]
    most = (0, 0)
    for index in range(n):
        name, raw = raws[index % len(raws)]
        size = int(rng.integers(1, len(raw)))
        stored, sizes = raw[:size], list[int]()

        def read_at(offset: int, count: int, stored: bytes = stored, sizes: list[int] = sizes):
            if offset >= len(stored):
                raise ValueError(f"range {offset} is beyond the object")
            sizes.append(len(stored[offset : offset + count]))
            return stored[offset : offset + count]

        try:
            is_flagged = read_superblock(read_at, size).eof != size
        except SuperblockError:
            is_flagged = True
        most = (max(most[0], len(sizes)), max(most[1], sum(sizes)))
        tally.case(f"remote {name} of {size} bytes", _wrong(is_flagged, sum(sizes)))
    return most

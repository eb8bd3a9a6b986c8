"""Row 22: what verification costs at each level.

    light       a file of 1 MB and a sparse one of 5 GB, both with a manifest: median of `n` calls
    structure   32,000 chunks: warm, and the first call of a process, which starts the guard
    full        a file of at least 300 MB: proven by digests, and with every value examined again

Medians, since the machine may be shared. With fewer than 50 calls the files shrink in proportion,
and the figure says how large they were.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py

from quarry.trajectory.digests import file_digest
from quarry.trajectory.report import Level
from quarry.trajectory.verification import verify
from tests.soak.corpus import Specimen, make_own
from tests.soak.cost_files import large, many_chunks, sparse
from tests.soak.outcome import Outcome, Progress, Tally, silent

ROW = 22
CLAIM = "what verification costs"
BAR = "light < 5 ms, structure < 0.2 s for 32,000 chunks, full >= 500 MB/s"
LIGHT_S, STRUCTURE_S, FULL_MB_PER_S = 0.005, 0.2, 500.0
N_CHUNKS, FULL_BYTES, HUGE_BYTES = 32_000, 320e6, 5_000_000_000
FULL_N = 50
REPEATS = 5

FIRST_CALL = """
import sys, time
from pathlib import Path
from quarry.trajectory.verification import verify
started = time.perf_counter()
report = verify(Path(sys.argv[1]), level="structure")
print(time.perf_counter() - started)
sys.exit(0 if report.is_clean else 1)
"""
ROOT = Path(__file__).resolve().parents[2]


def run(
    n: int,
    seed: int,
    directory: Path,
    progress: Progress = silent,
    *,
    full_bytes: float = FULL_BYTES,
) -> Outcome:
    """Median times; `n` calls of the light level."""
    share = min(1.0, n / FULL_N)
    tally = Tally(4, progress)
    small, huge = make_own(directory, "small", seed, n_samples=60), sparse(directory, HUGE_BYTES)
    facts: dict[str, Any] = {}
    for name, one in (("1 MB", small), ("5 GB", huge)):
        seconds = _median(lambda path=one.path: _clean(path, "light"), n)
        facts[f"light_{name}_ms"] = round(seconds * 1e3, 2)
        tally.case(f"light, {name}", "" if seconds < LIGHT_S else f"{seconds * 1e3:.1f} ms")
    facts |= _structure(many_chunks(directory, round(N_CHUNKS * share)), tally)
    facts |= _full(large(directory, full_bytes * share), tally)
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=tally.total,
        n_reached=tally.n_held,
        figure=f"light {facts['light_1 MB_ms']} ms (5 GB: {facts['light_5 GB_ms']} ms); structure "
        f"{facts['structure_s']} s for {facts['chunks']:,} chunks (first call "
        f"{facts['structure_first_s']} s); full {facts['full_MB_per_s']} MB/s, every value "
        f"{facts['rescan_MB_per_s']} MB/s of {facts['full_MB']} MB, BLAKE3 alone "
        f"{facts['blake3_MB_per_s']} MB/s",
        bar=BAR,
        is_met=tally.is_whole,
        seed=seed,
        misses=tuple(tally.misses),
        facts=facts,
    )


def _structure(one: Specimen, tally: Tally) -> dict[str, Any]:
    """Time of the structure level, warm and in a new process."""
    command = [sys.executable, "-c", FIRST_CALL, str(one.path)]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    _clean(one.path, "structure")
    seconds = _median(lambda: _clean(one.path, "structure"), REPEATS)
    tally.case("structure", "" if seconds < STRUCTURE_S else f"{seconds:.3f} s")
    with h5py.File(one.path, "r") as file:
        n_chunks = file["trajectories"].id.get_num_chunks()
    return {
        "structure_s": round(seconds, 3),
        "structure_first_s": round(float(first.stdout), 3),
        "chunks": n_chunks,
    }


def _full(one: Specimen, tally: Tally) -> dict[str, Any]:
    """Speed of the full level, by file bytes."""
    megabytes = one.size_bytes / 1e6
    ways: dict[str, Callable[[], object]] = {
        "full": lambda: _clean(one.path, "full"),
        "rescan": lambda: _clean(one.path, "full", is_rescan=True),
        "blake3": lambda: file_digest(one.path),
    }
    speeds = {name: megabytes / _median(work, REPEATS) for name, work in ways.items()}
    speed = speeds["full"]
    tally.case("full", "" if speed >= FULL_MB_PER_S else f"{speed:.0f} MB/s")
    made = {f"{name}_MB_per_s": round(speed) for name, speed in speeds.items()}
    return made | {"full_MB": round(megabytes)}


def _clean(path: Path, level: Level, *, is_rescan: bool = False) -> None:
    """Verify a file that must be good: what is timed is the whole work."""
    report = verify(path, level=level, is_rescan=is_rescan)
    assert report.is_clean, report.findings


def _median(work: Callable[[], object], n: int) -> float:
    """Median seconds of some calls."""
    taken: list[float] = []
    for _ in range(max(1, n)):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)

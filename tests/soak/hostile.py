"""Row 6: the verifier survives hostile files: no hang beyond the deadline, no crash of the caller.

Files are mutated mostly where HDF5 keeps its structures and texts, since a changed number in the
activations makes nothing hang. They have no manifest, so that nothing is known before HDF5 opens
them. A caller that crashes takes the whole row with it, which the runner reports.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from quarry.trajectory.report import Report
from quarry.trajectory.verification import verify
from tests.guard.processes import descendants, servers_of, wait_until_gone
from tests.soak.corpus import Specimen, drawn, make_old, make_own
from tests.soak.levels import is_overdue
from tests.soak.old_files import Container
from tests.soak.outcome import Outcome, Progress, Tally, silent
from tests.soak.regions import Span, place_in, regions_of

ROW = 6
CLAIM = "the verifier survives hostile files"
BAR = "0 hangs beyond the deadline, 0 crashes of the caller, 0 processes left"
DEADLINE_S = 2.0
PATIENCE_S = 8.0
"""What a busy machine may take to start and to kill a child, beyond the deadline."""

TARGETED_SHARE = 0.8
SIZES = (1, 2, 4, 8, 16, 64, 512, 4096)
CONTAINERS = {
    "v0": Container({"libver": "earliest"}, {"chunks": (4, 8, 1, 32), "compression": "gzip"}),
    "v0, checked": Container(
        {"libver": "earliest"},
        {"chunks": (8, 16, 1, 64), "compression": "gzip", "fletcher32": True, "shuffle": True},
    ),
    "v2": Container({"libver": ("v108", "v108")}, {"chunks": (1, 16, 1, 64), "fletcher32": True}),
    "v3, lzf": Container({"libver": ("v110", "v110")}, {"chunks": True, "compression": "lzf"}),
}


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` mutated files, each examined in full."""
    rng = np.random.default_rng([seed, ROW])
    files = [_Victim(one) for one in _specimens(directory, seed)]
    tally = Tally(n, progress)
    others = set(descendants(os.getpid()))
    slowest_s = 0.0
    for case in range(n):
        victim = files[case % len(files)]
        name = victim.mutate(rng)
        started = time.monotonic()
        report = verify(victim.path, deadline_s=DEADLINE_S)
        took_s = time.monotonic() - started
        slowest_s = max(slowest_s, took_s)
        _count(report, tally)
        late = f"took {took_s:.1f} s" if took_s > DEADLINE_S + PATIENCE_S else ""
        tally.case(f"case {case}: {name}", late)
    left = _processes_left(others)
    found = tally.share("errors")
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{n} in time, slowest {slowest_s:.1f} s; the child hung "
        f"{tally.counts['hung']} times, died by a signal {tally.counts['crashed']} times; "
        f"condemned {found}; processes left {left}",
        bar=BAR,
        is_met=tally.is_whole and not left,
        seed=seed,
        misses=tuple(tally.misses),
        facts={"slowest_s": round(slowest_s, 2), "left": left} | dict(tally.counts),
    )


class _Victim:
    """A file to mutate, again and again from its good state."""

    def __init__(self, specimen: Specimen) -> None:
        self.path = specimen.path
        self._name = specimen.name
        self._good = specimen.path.read_bytes()
        self._soft = [span for spans in regions_of(specimen.path).values() for span in spans]

    def mutate(self, rng: np.random.Generator) -> str:
        """Change one to three places; returns what was done."""
        bad = bytearray(self._good)
        done: list[str] = []
        for _ in range(int(rng.integers(1, 4))):
            spans: list[Span] = self._soft if rng.random() < TARGETED_SHARE else [(0, len(bad))]
            at, size = place_in(spans, rng), drawn(rng, SIZES)
            size = min(size, len(bad) - at)
            word = drawn(rng, ["noise", "zeros", "ones"])
            data = {"noise": rng.bytes(size), "zeros": bytes(size), "ones": b"\xff" * size}[word]
            bad[at : at + size] = data
            done.append(f"{size} bytes of {word} at {at}")
        self.path.write_bytes(bad)
        return f"{self._name}, {'; '.join(done)}"


def _specimens(directory: Path, seed: int) -> list[Specimen]:
    """Old files of several containers and one of our own, none with a manifest."""
    old = [make_old(directory, name, how, seed=seed, n_samples=16)
           for name, how in CONTAINERS.items()]  # fmt: skip
    return [*old, make_own(directory, "own", seed).without_sidecars(directory / "own_alone")]


def _count(report: Report, tally: Tally) -> None:
    """How the child ended, and whether the file was condemned."""
    got = [found.got for found in report.findings if found.kind == "unreadable"]
    tally.counts["hung"] += is_overdue(report)
    tally.counts["crashed"] += any("killed by" in text for text in got)
    tally.counts["refused by HDF5"] += bool(got)
    tally.counts["errors"] += not report.is_clean


def _processes_left(others: set[int]) -> int:
    """Children that should be gone: all but the one server and what was there before."""
    servers = servers_of(os.getpid())
    new = sorted({*descendants(os.getpid())} - others - {*servers})
    return len(wait_until_gone(new)) + max(0, len(servers) - 1)

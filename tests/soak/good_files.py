"""Row 5: good files of every shape and container raise no alarm.

Our own are looked at in full, as published and with every value examined again. Those of the older
pipelines get the warnings that say what they lack, and no others; half of them are adopted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from quarry.keys import TrajectoryKey
from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow
from quarry.trajectory.publication import publish
from quarry.trajectory.report import Expected
from quarry.trajectory.verification import verify
from tests.soak.corpus import drawn, speak
from tests.soak.old_files import Container, adopt, write_old
from tests.soak.outcome import Outcome, Progress, Tally, silent
from tests.trajectory.examples import make_header, make_rows, stage

ROW = 5
CLAIM = "good files raise no alarm"
BAR = "0 alarms"
USUAL_OF_OLD = {"manifest_missing", "legacy_layout", "attributes_missing", "scope_unrecorded",
                "scope_prompt_only"}  # fmt: skip
"""Warnings that say what an older file does not tell; a good one gets no others."""

ODD_TEXTS = (
    "", " ", "\n", "ένα δύο", "一二三。", "\U0001f4a5\U0001f468\u200d\U0001f469", "\0", "a\0b",
    "\ud800", "\x1b[31m", "\ufeff", "An ERROR: inside", "e\u0301", "\u202eabc", "0" * 5000, '"\\',
)  # fmt: skip


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` good files, every other one of our own format."""
    tally = Tally(n, progress)
    for case in range(n):
        rng = np.random.default_rng([seed, ROW, case])
        folder = directory / f"good_{case}"
        if case % 2 == 0:
            name, alarms = _own_alarms(folder, seed + case, rng)
        else:
            name, alarms = _old_alarms(folder, seed + case, rng)
        tally.case(f"case {case}: {name}", alarms)
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{n - tally.n_held} false alarms in {tally.n_done} good files",
        bar=BAR,
        is_met=tally.is_whole,
        seed=seed,
        misses=tuple(tally.misses),
        facts=dict(tally.counts),
    )


def _own_alarms(folder: Path, seed: int, rng: np.random.Generator) -> tuple[str, list[str]]:
    """A file of our format, and what is said of it though it is good."""
    header, rows = _rows(seed, rng)
    rows = [_odd(row, rng) for row in rows]
    path = folder / header.key.trajectory_path
    publish(stage(folder, header, rows), path)
    expected = Expected(header.model, header.task, header.n_shot, header.scope, header.n_samples)
    alarms = [
        f"{found.check}/{found.kind} {found.got} (is_rescan {is_rescan})"
        for is_rescan in (False, True)
        for found in verify(path, expected=expected, is_rescan=is_rescan).findings
    ]
    return f"own {header.shape}, {header.scope}, {header.n_shot} shots", alarms


def _rows(seed: int, rng: np.random.Generator) -> tuple[TrajectoryHeader, list[TrajectoryRow]]:
    """Word problems, or nonsense of any length."""
    n_shot = drawn(rng, [0, 0, 1, 8])
    changes: dict[str, Any] = {
        "layers": tuple(rng.choice(48, int(rng.integers(1, 7)), replace=False).tolist()),
        "d_model": drawn(rng, [1, 3, 32, 64, 77, 256]),
        "scope": drawn(rng, ["prompt", "output", "prompt+output"]),
        "prompt_style": drawn(rng, ["raw", "chat"]),
        "n_samples": drawn(rng, [1, 2, 5, 12, 30]),
        "n_shot": n_shot,
    }
    if rng.random() < 0.5:
        return speak(seed=seed, **changes)
    changes |= {"benchmark": f"gsm8k-{n_shot}shot", "max_seq_len": int(rng.integers(10, 130))}
    header = make_header(**changes)
    return header, make_rows(header, seed)


def _odd(row: TrajectoryRow, rng: np.random.Generator) -> TrajectoryRow:
    """The row, now and then with odd texts; prompts keep their ending."""
    if rng.random() < 0.7:
        return row
    prompt = f"{drawn(rng, ODD_TEXTS)} {row.prompt}"
    return replace(
        row,
        prompt=prompt if rng.random() < 0.3 else row.prompt,
        model_output=drawn(rng, ODD_TEXTS),
        ground_truth=drawn(rng, ODD_TEXTS),
    )


def _old_alarms(folder: Path, seed: int, rng: np.random.Generator) -> tuple[str, list[str]]:
    """A file of an older pipeline, and what is said of it beyond the usual warnings."""
    scope = drawn(rng, ["prompt", "prompt+output"])
    changes = {
        "layers": tuple(range(int(rng.integers(1, 5)))),
        "d_model": drawn(rng, [32, 64, 256]),
    }
    n_samples, n_shot = drawn(rng, [1, 4, 12, 40]), drawn(rng, [0, 8])
    header, rows = speak(n_samples, n_shot, seed, scope=scope, **changes)
    how = _container(header, rng)
    is_new = how.file_options["libver"] in (("v110", "v110"), "latest")
    is_adopted = is_new or rng.random() < 0.5
    path = write_old(folder / "gsm8k_trajectories.h5", header, rows, how)
    if is_adopted:
        adopt(path, TrajectoryKey(header.model, "gsm8k", n_shot))
    name = f"old {header.shape}, {scope}, {n_shot} shots, {how}, adopted {is_adopted}"
    return name, list(_unusual(path, is_adopted=is_adopted))


def _unusual(path: Path, *, is_adopted: bool) -> Iterator[str]:
    """Findings of an old file that are no usual warnings."""
    for is_rescan in (False, True) if is_adopted else (False,):
        for found in verify(path, is_rescan=is_rescan).findings:
            if found.severity == "error" or found.kind not in USUAL_OF_OLD:
                told = f"{found.severity} {found.check}/{found.kind} {found.got}"
                yield f"{told} (is_rescan {is_rescan})"


def _container(header: TrajectoryHeader, rng: np.random.Generator) -> Container:
    """Any way to store an old file."""
    _, max_seq_len, n_layers, d_model = header.shape
    chunks = [None, True, (1, 16, n_layers, d_model), (4, 8, 1, 32), (32, 32, 1, 256),
              (header.n_samples, max_seq_len, 1, d_model)]  # fmt: skip
    limited = [_within(one, header) for one in chunks]
    chunk = drawn(rng, limited)
    options: dict[str, Any] = {"chunks": chunk}
    if chunk is not None:
        options["compression"] = drawn(rng, [None, "gzip", "lzf"])
        options["shuffle"] = bool(rng.random() < 0.5)
        options["fletcher32"] = bool(rng.random() < 0.5)
    libver = drawn(rng, ["earliest", ("v108", "v108"), ("v110", "v110"), "latest"])
    userblock = drawn(rng, [0, 0, 512, 1024, 4096])
    return Container(
        file_options={"libver": libver, "userblock_size": userblock},
        states_options=options,
        string_bytes=drawn(rng, [None, None, 4096]),
        has_attributes=bool(rng.random() < 0.7),
        is_labels_first=bool(rng.random() < 0.5),
    )


def _within(chunk: Any, header: TrajectoryHeader) -> Any:
    """A chunk no larger than the array, as HDF5 wants it."""
    if not isinstance(chunk, tuple):
        return chunk
    return tuple(min(size, most) for size, most in zip(chunk, header.shape, strict=True))

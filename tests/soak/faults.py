"""Row 10: a bucket that misbehaves: what passes is survived, what stays is a clear error in time.

Of every three cases two have faults that pass, drawn by kind, request, moment and number, and one
has something that stays wrong. Everything goes through real HTTP, `B2Store`, `mirror` and `repair`.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import numpy as np

from quarry.errors import QuarryError, StorageDeadlineError
from tests.b2_server import B2Server
from tests.soak.bucket import short_patience
from tests.soak.fault_plans import Plan, lasting, passing
from tests.soak.fault_repair import Repair
from tests.soak.fault_work import NAME, Download, Files, Mirror, Scene, Upload
from tests.soak.full_disk import can_mount, download_to_full_disk
from tests.soak.outcome import Outcome, Progress, Tally, silent
from tests.storage.store_hooks import digest_of

ROW = 10
CLAIM = "faults of a bucket that pass are survived, those that stay are clear errors in time"
BAR = "all that pass byte-identical; all that stay a clear error before the deadline; 0 silent"
PATIENT_S = 60.0
DEADLINES_S = (0.5, 6.0)
"""The second one where a busy machine did not come to the fault within the first."""

MOST_CALLS, SPARE_S = 4, 15.0
"""Calls of a work, which have the deadline each, and what a busy machine may add."""

READER = ["listBuckets", "listFiles", "readFiles"]
BLIND = ["listBuckets", "listFiles", "writeFiles"]


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` cases, two of three with faults that pass."""
    directory.mkdir(parents=True, exist_ok=True)
    files = Files.make(directory, seed)
    tally = Tally(n, progress)
    latest: list[float] = [0.0]
    with short_patience():
        for case in range(n):
            rng = np.random.default_rng([seed, ROW, case])
            plan = lasting(rng) if case % 3 == 2 else passing(rng)
            wrong = _case(plan, directory / f"case {case}", files, rng, tally.counts, latest)
            tally.case(f"case {case}: {plan.name}", wrong)
    counts = tally.counts
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{counts['survived']}/{counts['that pass']} survived byte-identical, "
        f"{counts['clear']}/{counts['that stay']} clear errors, the slowest "
        f"{max(latest):.2f} s after its deadline; "
        f"{counts['silent']} silent; {counts['faults']} requests went wrong; full disks: "
        + ("real" if can_mount() else "by limits only"),
        bar=BAR,
        is_met=tally.is_whole and not counts["silent"],
        seed=seed,
        misses=tuple(tally.misses),
        facts={name: count for name, count in sorted(counts.items())}
        | {"is_disk_real": can_mount()},
    )


def _case(
    plan: Plan,
    folder: Path,
    files: Files,
    rng: np.random.Generator,
    counts: Counter[str],
    latest: list[float],
) -> list[str]:
    """Prepare, break, act and judge; returns what is wrong."""
    folder.mkdir()
    with B2Server(seed=int(rng.integers(1 << 30))) as server:
        scene = Scene(server, folder, files, rng)
        plan.work.prepare(scene)
        counts["that stay" if plan.words else "that pass"] += 1
        if plan.trouble in ("room", "names", "file size"):
            return _full_disk(plan, scene, counts)
        _trouble(plan, scene)
        server.faults.add(*plan.faults)
        if not plan.words:
            return _survived(plan, scene, counts)
        return _refused(plan, scene, counts, latest)


def _survived(plan: Plan, scene: Scene, counts: Counter[str]) -> list[str]:
    """The work is done in spite of everything, and everything went wrong as planned."""
    try:
        plan.work.act(scene, PATIENT_S)
    except QuarryError as error:
        return [f"not survived: {_one_line(error)}"]
    wrong = plan.work.undone(scene)
    fired = scene.server.faults.fired()
    counts["faults"] += fired
    counts["silent"] += bool(wrong)
    counts["survived"] += not wrong
    return wrong if fired else [*wrong, "nothing went wrong"]


def _refused(plan: Plan, scene: Scene, counts: Counter[str], latest: list[float]) -> list[str]:
    """The work ends in time with an error that says why, nothing is worse, and it can be redone."""
    wrong: list[str] = []
    for deadline_s in DEADLINES_S:
        started_s = time.monotonic()
        try:
            plan.work.act(scene, deadline_s)
        except QuarryError as error:
            latest.append(time.monotonic() - started_s - deadline_s)
            wrong = _unclear(error, plan.words)
            if latest[-1] > (MOST_CALLS - 1) * deadline_s + SPARE_S:
                wrong.append(f"{latest[-1]:.1f} s late")
            if not wrong or not isinstance(error, StorageDeadlineError):
                break
        else:
            counts["silent"] += 1
            return ["silent: the work says that it is done", *plan.work.undone(scene)]
    counts["faults"] += scene.server.faults.fired()
    counts["clear"] += not wrong
    if plan.faults and not scene.server.faults.fired():
        wrong.append("nothing went wrong")
    wrong += [] if plan.trouble.startswith("rot") else plan.work.harm(scene)
    return wrong + _redone(plan, scene)


def _redone(plan: Plan, scene: Scene) -> list[str]:
    """What is wrong after the same work once the trouble is over."""
    if not plan.heals:
        return []
    scene.server.faults.clear()
    scene.key = scene.bucket = None
    try:
        plan.work.act(scene, PATIENT_S)
    except QuarryError as error:
        return [f"the next run failed: {_one_line(error)}"]
    return [f"after the next run: {what}" for what in plan.work.undone(scene)]


def _full_disk(plan: Plan, scene: Scene, counts: Counter[str]) -> list[str]:
    """The same for a target without room."""
    assert isinstance(plan.work, Download)
    folder = scene.folder / "disk"
    folder.mkdir()
    source = scene.files.large if plan.work.is_large else scene.files.small
    error, wrong = download_to_full_disk(
        plan.trouble, folder, scene.server, NAME, digest_of(source)
    )
    if not re.search(plan.words, error):
        wrong.append(f"the error does not say {plan.words!r}: {error}")
    counts["clear"] += not wrong
    counts["full disks"] += 1
    return wrong


def _trouble(plan: Plan, scene: Scene) -> None:
    """Break what is no fault of a request."""
    server = scene.server
    if plan.trouble.startswith("rot"):
        size = len(server.content(NAME))
        places = plan.work.places if isinstance(plan.work, Repair) else [size // 2]
        for place in places:
            server.rot(NAME, place)
    if plan.trouble == "gone":
        server.lose(NAME)
    if plan.trouble == "key":
        scene.key = (server.key_id, "another secret")
    if plan.trouble == "bucket":
        scene.bucket = "another-bucket"
    if plan.trouble == "permission":
        writes = isinstance(plan.work, Upload | Mirror)
        scene.key = server.create_key(READER if writes else BLIND)


def _unclear(error: QuarryError, words: str) -> list[str]:
    """What an error does not say, or says and should not."""
    lacking = {"where", "expected", "got", "fix"} - error.parts().keys()
    wrong = [f"the error lacks {sorted(lacking)}: {_one_line(error)}"] if lacking else []
    if not re.search(words, _one_line(error)):
        wrong.append(f"the error does not say {words!r}: {_one_line(error)}")
    return wrong


def _one_line(error: QuarryError) -> str:
    """An error's text in one line."""
    return str(error).replace("\n", " ")

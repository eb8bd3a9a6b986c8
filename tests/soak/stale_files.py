"""Row 11: damaged files whose modification time, and mostly size, are still right, are found.

Some lost their end; some were filled up again to the right size, as a killed parallel download
leaves them; some have other bytes at the head, in the middle, in places. Each is examined and made
right from a bucket through HTTP: repaired in place, or downloaded anew. For comparison b2sdk's own
sync, which compares modification times, is let loose on the same damaged files.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
from b2sdk.v3 import Synchronizer, SyncReport, parse_folder

from quarry.repair.repairing import repair
from quarry.storage.b2 import B2Store
from quarry.storage.mirror import RemoteCopy, mirror
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.verification import verify
from tests.b2_server import B2Server
from tests.soak.bucket import open_store
from tests.soak.corpus import Specimen, make_own
from tests.soak.outcome import Outcome, Progress, Tally, silent

ROW = 11
CLAIM = "damaged files with the right modification time and size are found and brought back"
BAR = "all found and byte-identical afterwards"
KINDS = ("shorter", "shorter, filled with zeros", "shorter, filled with noise", "a hole of 4 KiB",
         "one bit", "other head", "all bytes but the head", "empty")  # fmt: skip
NAME = "trajectories/0shot/demo_base/gsm8k_trajectories.h5"


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` damaged files, of all kinds in turn, repaired and downloaded in turn."""
    one = make_own(directory, "own", seed, n_samples=8, d_model=128)
    tally = Tally(n, progress)
    with B2Server() as server:
        store = open_store(server, directory / "locks")
        mirror(one.path, NAME, store)
        synced = directory / "synced"
        for case in range(n):
            bad = one.copy_to(directory / "damaged")
            _damage(bad.path, one.path, case, seed)
            tally.counts["of the right size"] += bad.size_bytes == one.size_bytes
            shutil.copy2(bad.path, _in(synced, case))
            wrong = _brought_back(one, bad, store, tally, is_repair=case // len(KINDS) % 2 == 0)
            tally.case(f"case {case}: {KINDS[case % len(KINDS)]}", wrong)
        restored = _restored_by_sync(server, one, synced, n)
    counts = tally.counts
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{n}, {counts['of the right size']} of them of the right size: "
        f"{counts['found at a glance']} found by reading <= 4 KiB, "
        f"{counts['found by digests']} by digests; b2sdk's sync restores {restored}/{n}",
        bar=BAR,
        is_met=tally.is_whole,
        seed=seed,
        misses=tuple(tally.misses),
        facts={"restored_by_b2sdk_sync": restored} | dict(counts),
    )


def _damage(bad: Path, good: Path, case: int, seed: int) -> None:
    """Damage a file in one way, then give it the good one's modification time."""
    rng = np.random.default_rng([seed, ROW, case])
    data = bytearray(good.read_bytes())
    size, kind = len(data), KINDS[case % len(KINDS)]
    cut = int(rng.integers(1, size))
    match kind:
        case "shorter":
            del data[cut:]
        case "shorter, filled with zeros":
            data[cut:] = bytes(size - cut)
        case "shorter, filled with noise":
            data[cut:] = rng.bytes(size - cut)
        case "a hole of 4 KiB":
            start = int(rng.integers(size - 4096))
            data[start : start + 4096] = rng.bytes(4096)
        case "one bit":
            data[int(rng.integers(size))] ^= 1 << int(rng.integers(8))
        case "other head":
            data[:64] = rng.bytes(64)
        case "all bytes but the head":
            data[2048:] = rng.bytes(size - 2048)
        case _:
            data.clear()
    assert data != good.read_bytes(), kind
    bad.write_bytes(data)
    status = good.stat()
    os.utime(bad, ns=(status.st_atime_ns, status.st_mtime_ns))


def _brought_back(
    one: Specimen, bad: Specimen, store: B2Store, tally: Tally, *, is_repair: bool
) -> list[str]:
    """Examine a damaged file and bring it back; what is wrong then."""
    is_seen = not verify(bad.path, level="light").is_clean
    is_found = is_seen or not verify(bad.path).is_clean
    tally.counts["found at a glance" if is_seen else "found by digests"] += is_found
    wrong = [] if is_found else ["not found"]
    if is_repair:
        result = repair(bad.path, RemoteCopy(store, NAME))
        tally.counts["bytes fetched by repairs"] += result.bytes_fetched
        wrong += [] if result.is_whole else [f"not whole: {result.findings[:2]}"]
    else:
        digest = read_manifest(manifest_path(bad.path)).blake3
        store.download(NAME, bad.path, blake3=digest)
        wrong += [] if verify(bad.path).is_clean else ["not clean after the download"]
    tally.counts["repaired" if is_repair else "downloaded"] += 1
    is_same = bad.path.read_bytes() == one.path.read_bytes()
    return wrong if is_same else [*wrong, "the bytes differ"]


def _in(folder: Path, case: int) -> Path:
    """Where the sync has the file of a case."""
    path = folder / f"case_{case:03d}.h5"
    path.parent.mkdir(exist_ok=True)
    return path


def _restored_by_sync(server: B2Server, one: Specimen, synced: Path, n: int) -> int:
    """How many of the damaged files b2sdk's sync makes right, in its default mode.

    The good files were brought to the bucket by the same sync, with their modification times. One
    more of them is missing here, so that a sync that does nothing at all is noticed.
    """
    source, missing = synced.with_name("sync_source"), n
    for case in range(n + 1):
        shutil.copy2(one.path, _in(source, case))
    api = server.api()
    bucket = f"b2://{server.bucket}/synced"
    for there, here in ((str(source), bucket), (bucket, str(synced))):
        with (
            synced.with_name("sync_report").open("w") as said,
            SyncReport(said, no_progress=True) as report,
        ):
            Synchronizer(max_workers=2).sync_folders(
                source_folder=parse_folder(there, api),
                dest_folder=parse_folder(here, api),
                now_millis=int(time.time() * 1000),
                reporter=report,
            )
    good = one.path.read_bytes()
    assert _in(synced, missing).read_bytes() == good, "a missing file is restored by the sync"
    return sum(_in(synced, case).read_bytes() == good for case in range(n))

"""`verify`: is this trajectory file whole, unchanged and plausible?

    light       stat, superblock, manifest; at most 4 KiB read, HDF5 never opened
    structure   and datasets, shapes, attributes, chunk map; in a guarded child process
    full        and every digest, every value, every length; reads the file twice

Nothing here knows a rule: they are in `verify_light`, `verify_structure`, `verify_chunks`,
`verify_digests`, `verify_values`, `verify_lengths` and `verify_rows`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from quarry.findings import Finding
from quarry.guard.guarded import run_guarded
from quarry.trajectory.manifest import Manifest
from quarry.trajectory.report import (
    CHECKS,
    FILE_COMPLETE,
    LAYOUT_VALID,
    RECOLLECT,
    Expected,
    Level,
    Report,
)
from quarry.trajectory.verify_light import LightResult, check_light

__all__ = ["Expected", "Level", "Report", "verify"]

_CHILD = "quarry.trajectory.verify_child"
_LEAST_DEADLINE_S = 60.0
_SLOWEST_BYTES_PER_S = 20e6
_PASSES = 3


def verify(
    path: Path,
    *,
    level: Level = "full",
    expected: Expected | None = None,
    deadline_s: float | None = None,
    manifest: Manifest | None = None,
    is_rescan: bool = False,
) -> Report:
    """Examine a trajectory file; a file that is missing, hangs HDF5 or crashes it is a finding.

    Args:
        path: the file.
        level: how closely to look.
        expected: what the caller knows about the file, to catch a swapped partition; looked at
            from level `structure` on.
        deadline_s: most seconds that the child process may take; by default a minute, or the time
            that three passes at 20 MB/s take.
        manifest: what the file should be; by default the manifest beside it.
        is_rescan: examine every value even where digests prove that they are those that passed the
            present rules at publication.
    """
    started = time.perf_counter()
    light = check_light(path, manifest)
    findings, facts, done = list(light.findings), dict(light.facts), [FILE_COMPLETE]
    is_provable = level == "full" and light.manifest is not None and "size_bytes" in light.facts
    if level != "light" and (light.can_be_opened or is_provable):
        request: dict[str, Any] = {"path": str(path), "level": level, "is_rescan": is_rescan}
        request["expected"] = (expected or Expected()).as_dict()
        request["manifest"] = light.manifest.as_dict() if light.manifest else None
        request["can_be_opened"] = light.can_be_opened
        more, run, known = _ask_child(path, request, deadline_s or _deadline_s(light))
        findings += more
        facts |= known
        done += run
    facts["seconds"] = round(time.perf_counter() - started, 4)
    ordered = sorted(findings, key=lambda found: CHECKS.index(found.check))
    checks_run = tuple(check for check in CHECKS if check in done)
    return Report(path, level, ordered, checks_run, facts)


def _deadline_s(light: LightResult) -> float:
    """Time enough for a slow network disk, which publication reads from three times."""
    return max(_LEAST_DEADLINE_S, _PASSES * light.facts["size_bytes"] / _SLOWEST_BYTES_PER_S)


def _ask_child(
    path: Path, request: dict[str, Any], deadline_s: float
) -> tuple[list[Finding], list[str], dict[str, Any]]:
    """Findings, checks that came to an end, and facts, from the guarded child."""
    outcome = run_guarded(_CHILD, request, deadline_s)
    findings: list[Finding] = []
    facts: dict[str, Any] = {}
    begun: dict[str, bool] = {}
    for message in outcome.messages:
        findings += [Finding(**values) for values in message.get("findings", [])]
        facts |= message.get("facts", {})
        if "begin" in message:
            begun[message["begin"]] = False
        if "end" in message:
            begun[message["end"]] = True
    if outcome.failure is not None:
        check = next((name for name, is_over in begun.items() if not is_over), LAYOUT_VALID)
        findings.append(_unreadable(check, path, outcome.failure))
    return findings, [name for name, is_over in begun.items() if is_over], facts


def _unreadable(check: str, path: Path, failure: str) -> Finding:
    """The finding for a file that hung or crashed the child."""
    return Finding(
        check=check,
        kind="unreadable",
        what="The file can't be read: HDF5 hung or crashed on it",
        where=str(path),
        expected="a readable HDF5 file",
        got=failure,
        cure=RECOLLECT,
    )

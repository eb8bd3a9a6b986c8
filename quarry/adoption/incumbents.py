"""What lies in a cell's place already, before a file is adopted into it. Reads 4 KiB at most.

The exception is a manifest of an older version, whose file is read whole once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding
from quarry.trajectory.digests import file_digest
from quarry.trajectory.manifest import MANIFEST_VERSION, Origin, manifest_path, read_manifest
from quarry.trajectory.report import RULES_VERSION
from quarry.trajectory.verify_light import check_light


@dataclass(frozen=True)
class Incumbent:
    """What has a cell's final name.

    Args:
        is_this: whether it is the offered file, adopted to the end.
        reason: why the cell is taken; empty where the offered file may have it.
        findings: what a light look at it found.
        n_samples: rows, by its manifest.
        origin: how the offered file came to be, as far as an older manifest in its place tells.
        is_examined: whether its values passed the present rules, by its manifest.
    """

    is_this: bool = False
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    n_samples: int | None = None
    origin: Origin = "adopted"
    is_examined: bool = True


def incumbent_of(offered: Path, final: Path) -> Incumbent:
    """Compare an offered file with what has the final name.

    A copy is known by size, time of change and first bytes: adoption keeps them.
    """
    if not final.exists():
        if not manifest_path(final).exists():
            return Incumbent()
        return Incumbent(reason="the manifest of a lost file lies there; `quarry repair` mends it")
    is_same = final.samefile(offered)
    is_this = is_same or _is_copy(offered, final)
    light = check_light(final)
    found = tuple(light.findings)
    if light.manifest is not None:
        reason = "" if is_this else "another published file is there"
        is_examined = light.manifest.rules_version == RULES_VERSION
        n_samples = light.manifest.n_samples
        return Incumbent(is_this, reason, found, n_samples, is_examined=is_examined)
    kind = _manifest_state(final)
    if kind == "damaged":
        return Incumbent(reason="the manifest there is damaged; `quarry repair` mends it")
    if not is_this:
        return Incumbent(reason="another file is there, without a manifest")
    if not light.can_be_opened:  # it can't be described: it is as adopted as it will ever be
        return Incumbent(is_this=True, findings=found)
    return Incumbent(origin="collected" if kind == "older" else "adopted")


def _is_copy(offered: Path, final: Path) -> bool:
    """Whether a file is the copy that adoption made of another."""
    one, other = offered.stat(), final.stat()
    if (one.st_size, one.st_mtime_ns) != (other.st_size, other.st_mtime_ns):
        return False
    return _head(offered) == _head(final)


def _head(path: Path) -> bytes:
    """The first 2 KiB."""
    with path.open("rb") as file:
        return file.read(2048)


def _manifest_state(final: Path) -> str:
    """`none`, `damaged`, or `older`: of a version before this one, and true to the file."""
    try:
        read_manifest(manifest_path(final))
    except FileMissingError:
        return "none"
    except IntegrityError:
        return "older" if _is_older(final) else "damaged"
    return "whole"


def _is_older(final: Path) -> bool:
    """Whether an older manifest proves the file, so that a new one may take its place."""
    try:
        values: Any = json.loads(manifest_path(final).read_bytes())
    except ValueError:
        return False
    if not isinstance(values, dict):
        return False
    said: dict[str, Any] = values  # pyright: ignore[reportUnknownVariableType]
    version = said.get("manifest_version", 1)
    if not isinstance(version, int) or version >= MANIFEST_VERSION:
        return False
    return said.get("blake3") == file_digest(final)

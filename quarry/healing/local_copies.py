"""Good copies of a cell's file that lie on this machine already: aside, or in another cell's place.

They cost nothing from the network. Like any copy they are asked and never trusted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from quarry.errors import READ_ERRORS, FileMissingError, IntegrityError, StorageError
from quarry.healing.aside import PUBLISHED, list_aside
from quarry.repair.good_copy import GoodCopy, LocalCopy
from quarry.repair.proofs import local_manifest
from quarry.trajectory.digests import HEAD_BYTES, head_digest
from quarry.trajectory.manifest import Manifest
from quarry.trajectory.report import Expected
from quarry.trajectory.verification import verify


class MisplacedCopy(LocalCopy):
    """A file in a wrong place, whose own manifest may lie elsewhere.

    Args:
        path: the file.
        manifest: what it is, as the copy in the store or the manifest in the right place says.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        super().__init__(path)
        self._manifest = manifest

    def manifest(self) -> Manifest:
        """The manifest of the version that the file begins as."""
        return self._manifest


def good_copies(
    path: Path,
    expected: Expected,
    data_dir: Path,
    aside: Path,
    remote: GoodCopy | None,
    *,
    log: Callable[[str], None],
) -> list[GoodCopy]:
    """Where the file of a cell may be had, cheapest first: on this machine, then in the store.

    Args:
        path: the file's place, which is passed over itself.
        expected: what the cell should hold.
        data_dir: the platform's data directory.
        aside: the folder of all that was replaced.
        remote: the copy in the store, where there is one.
        log: takes a line about each copy on this machine.
    """
    wanted = _manifest_of(remote)
    # The manifest beside the place may be all that is left of a newer version than the store has.
    claims = [one for one in (local_manifest(path), wanted) if one is not None]
    candidates = [one for one in _candidates(data_dir, aside) if one != path]
    local: list[GoodCopy] = [
        MisplacedCopy(one, claim)
        for claim in claims
        for one in candidates
        if _begins_as(one, claim)
    ]
    if wanted is None:
        start = f"{expected.task}_"  # each one costs a child process: a wrong task is unlikely
        named = (one for one in candidates if one.name.startswith(start))
        local += [LocalCopy(one) for one in named if _belongs(one, expected)]
    for one in local:
        log(f"{one} may be a copy of {path.name}")
    return [*local, *([remote] if remote is not None else [])]


def _candidates(data_dir: Path, aside: Path) -> Iterator[Path]:
    """Every trajectory file of the platform, what was replaced first."""
    yield from (one.path for one in list_aside(aside))
    yield from sorted((data_dir / "trajectories").glob(f"*/*/{PUBLISHED}"))


def _manifest_of(remote: GoodCopy | None) -> Manifest | None:
    """What the store should have; None where it can't say."""
    if remote is not None:
        with contextlib.suppress(FileMissingError, IntegrityError, StorageError):
            return remote.manifest()
    return None


def _begins_as(path: Path, wanted: Manifest) -> bool:
    """Whether a file begins as a version does; the first 2 KiB hold an id of its own."""
    try:
        with path.open("rb", buffering=0) as file:
            return head_digest(file.read(HEAD_BYTES)) == wanted.head_digest
    except OSError:
        return False


def _belongs(path: Path, expected: Expected) -> bool:
    """Whether a file says that it is of the cell, and is whole as far as its structure tells.

    A file of an older pipeline does not say so: verification passes it for every cell.
    """
    try:
        report = verify(path, level="structure", expected=expected)
    except READ_ERRORS:
        return False
    return report.is_clean and "legacy_layout" not in report.kinds()

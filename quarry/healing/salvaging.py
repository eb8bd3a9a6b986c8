"""`salvage_first`: before a cell is collected again, what is intact of its damaged file is saved.

The rows go to staging, where the collection finds them and runs only the others. The damaged file
itself gets a second name aside, since publishing takes its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quarry.errors import QuarryError
from quarry.healing.aside import keep_aside
from quarry.healing.restoring import WRONG_PARTITION
from quarry.healing.work_file import sweep_left
from quarry.keys import TrajectoryKey
from quarry.repair.proofs import local_manifest
from quarry.salvage.salvaging import salvage
from quarry.semantic.verdicts import recorded_verdict
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.publication import recover
from quarry.trajectory.report import Expected
from quarry.trajectory.staging import SALVAGED_VIEW, cell_name
from quarry.trajectory.verification import verify


@dataclass(frozen=True)
class SalvagedRows:
    """Rows of a damaged file that the next collection need not make.

    Args:
        path: the file in staging that holds them.
        n_kept: their number.
        n_rows: rows of the damaged file; 0 if that is not known.
    """

    path: Path
    n_kept: int
    n_rows: int


def salvage_first(
    path: Path,
    key: TrajectoryKey,
    data_dir: Path,
    log: Callable[[str], None],
    *,
    expected: Expected | None = None,
    aside: Path | None = None,
) -> SalvagedRows | None:
    """Save the intact rows of a cell's file into staging, if it does not verify.

    What goes wrong is logged, and stops a collection in one case only: the file is another cell's,
    and could not be kept aside. Again for the same damage changes nothing. Of another cell's file
    nothing is salvaged; where it is too damaged to tell, the collection refuses its rows.

    Args:
        path: the cell's place.
        key: the cell.
        data_dir: the platform's data directory.
        log: takes a line about what was done.
        expected: what the cell should hold; by default its model, task and number of shots.
        aside: where the damaged file gets a second name; by default `aside` in the data directory.

    Returns:
        The rows; None where the file is missing or sound, or nothing could be saved.

    Raises:
        QuarryError, OSError: the file is another cell's and maybe its only one, and it could not
            be kept aside; publishing would destroy it.
    """
    try:
        recover(path)
        sweep_left(path)
        if not path.exists():
            return None
        report = verify(path, expected=expected or Expected.of_key(key))
        if report.is_clean:
            return None
        defect = report.errors[0]
        log(f"{path.name} is damaged: {defect.what}: {defect.got}")
        is_misplaced = WRONG_PARTITION in report.kinds()
        _keep(path, key, aside or data_dir / "aside", defect.kind, log, is_needed=is_misplaced)
        if is_misplaced:
            log("it is another cell's, so none of its rows can be used")
            return None
        if _has_wrong_states(path, data_dir):
            log("its hidden states are not its model's, so none of its rows are kept")
            return None
        return _salvage(path, _output(path, key, data_dir), log)
    except _NotKeptError as error:
        raise error.cause from error
    except (QuarryError, OSError) as error:
        log(f"nothing could be salvaged of {path.name}, so every sample is collected: {error}")
        return None


class _NotKeptError(Exception):
    """A file that may be another cell's only one has no second name."""

    def __init__(self, cause: QuarryError | OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _keep(
    path: Path,
    key: TrajectoryKey,
    aside: Path,
    why: str,
    log: Callable[[str], None],
    *,
    is_needed: bool,
) -> None:
    """Give a damaged file its second name; its rows can be salvaged without one."""
    try:
        kept = keep_aside(path, key, aside, why)
    except (QuarryError, OSError) as error:
        if is_needed:
            raise _NotKeptError(error) from error
        log(f"the damaged file can't be kept in {aside}: {error}")
        return
    log(f"the damaged file is kept in {kept.parent}")


def _has_wrong_states(path: Path, data_dir: Path) -> bool:
    """Whether a comparison with the model condemned the content: digests know nothing of that."""
    manifest = local_manifest(path)
    return bool(manifest and recorded_verdict(data_dir, manifest.content_digest).wrong)


def _salvage(path: Path, output: Path, log: Callable[[str], None]) -> SalvagedRows | None:
    """Salvage into a certain file, unless that was done."""
    if output.exists():
        n_kept = read_manifest(manifest_path(output)).n_samples
        log(f"{n_kept} rows whose bytes are whole were salvaged before")
        manifest = local_manifest(path)
        return SalvagedRows(output, n_kept, manifest.n_samples if manifest else 0)
    result = salvage(path, output)
    if result.output is None:
        reason = result.findings[0].got if result.findings else "no row is whole"
        log(f"nothing could be salvaged of it: {reason}")
        return None
    log(f"the bytes of {result.n_kept} of its {result.n_rows} rows are whole: these were salvaged")
    return SalvagedRows(result.output, result.n_kept, result.n_rows)


def _output(path: Path, key: TrajectoryKey, data_dir: Path) -> Path:
    """A name in staging that is always the same for the same damaged file."""
    status = path.stat()
    state = f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}"
    digest = hashlib.blake2s(state.encode(), digest_size=4).hexdigest()
    return data_dir / "staging" / f"{cell_name(key)}.{SALVAGED_VIEW}-{digest}.h5"

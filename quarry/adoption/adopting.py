"""`adopt_files`: verify older files, put each in its cell's place and say what it is.

    no cell            refused, with the reason; nothing outside the catalog's grid is taken in
    clean, or damaged but readable   named, described by manifest and table of digests
    cut off, or unreadable           named only: no manifest vouches for it, every check is red
    a cell that has a file           left alone, unless a clean file may replace it

The older file is never written to. Where it has a second name in the data directory instead of a
copy, who writes to it by the first one changes the published file, and the digests will show it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quarry.adoption.cells import CellGuess, cell_of
from quarry.adoption.incumbents import incumbent_of
from quarry.adoption.old_files import OldFile, introduce
from quarry.adoption.outcome import Adoption, Status
from quarry.adoption.placing import How, brought_near, is_there, settle
from quarry.adoption.row_ids import match_rows
from quarry.catalog import Catalog
from quarry.errors import IntegrityError
from quarry.findings import Finding
from quarry.keys import TrajectoryKey
from quarry.samples import Sample
from quarry.trajectory.describe import describe_file
from quarry.trajectory.digest_table import DigestTable
from quarry.trajectory.manifest import Manifest, Origin
from quarry.trajectory.publication import recover
from quarry.trajectory.report import ACTIVATIONS_SANE, LAYOUT_VALID, RULES_VERSION, Expected, Report
from quarry.trajectory.verification import verify

SamplesOf = Callable[[TrajectoryKey], Sequence[Sample] | None]
"""All samples that a cell's rows may be of; None where they are not at hand."""

Progress = Callable[[int, int, str], None]
"""Called with files done, files in all and the file being worked on."""

_MADE_HERE = {"manifest_missing", "manifest_damaged"}


@dataclass(frozen=True)
class Adopter:
    """How files are adopted.

    Args:
        catalog: the grid.
        data_dir: the platform's data directory.
        how: by link or by copy.
        may_replace: whether a clean file may take the place of another one.
        is_dry_run: examine only, write nothing.
        samples_of: samples to find the rows' ids in.
    """

    catalog: Catalog
    data_dir: Path
    how: How = "auto"
    may_replace: bool = False
    is_dry_run: bool = False
    samples_of: SamplesOf | None = None

    def adopt_files(
        self, paths: Sequence[Path], progress: Progress | None = None
    ) -> Iterator[Adoption]:
        """Adopt files one after the other, in their order.

        Args:
            paths: the files.
            progress: told about each file before it is verified.

        Raises:
            UsageError: links were asked for and can't be made.
            StorageFullError: there is no room for a copy.
        """
        files = [introduce(path) for path in paths]
        guesses = [cell_of(file, self.catalog) for file in files]
        rivals = _rivals(files, guesses, self.data_dir)
        for done, (file, guess) in enumerate(zip(files, guesses, strict=True)):
            if progress is not None:
                progress(done, len(files), file.path.name)
            if guess.key is None:
                yield Adoption(file.path, Status.REFUSED, reason=guess.reason)
            elif guess.key in rivals:
                yield Adoption(file.path, Status.REFUSED, guess.key, rivals[guess.key])
            else:
                yield self._adopt(file, guess.key, guess.reason)

    def _adopt(self, file: OldFile, key: TrajectoryKey, note: str) -> Adoption:
        """Adopt a file whose cell is known."""
        final = self.data_dir / key.trajectory_path
        if not self.is_dry_run:
            recover(final)
        there = incumbent_of(file.path, final)
        if there.is_this:
            found, n_samples = there.findings, there.n_samples
            if not there.is_examined:
                found = tuple(verify(final, expected=_expected(file, key)).findings)
            return Adoption(file.path, Status.ALREADY, key, there.reason, found, n_samples)
        if there.reason and not self.may_replace:
            return Adoption(file.path, Status.OCCUPIED, key, there.reason)
        # Without a reason, what is there is the file itself, or its copy from an earlier attempt.
        source = final if final.exists() and not there.reason else file.path
        before = _state_of(source)
        report = verify(source, expected=_expected(file, key))
        reason = _refusal(report, replaces=bool(there.reason))
        if reason:
            return Adoption(file.path, Status.REFUSED, key, reason, tuple(report.findings))
        candidate = _Candidate(file.path, source, before, key, note, report)
        if self.is_dry_run:
            return candidate.ended(Status.WOULD_ADOPT)
        ids = self._ids(file, key)
        try:
            return self._place(candidate, final, ids, there.origin)
        except IntegrityError as error:  # of a copy
            return Adoption(file.path, Status.REFUSED, key, error.what, tuple(error.findings))

    def _place(
        self, file: _Candidate, final: Path, ids: Mapping[int, str] | None, origin: Origin
    ) -> Adoption:
        """Give a verified file its name, its table and its manifest."""
        was_there = is_there(file.source, final)
        with brought_near(file.source, final, self.how) as near:
            described = _describe(file, near, final, ids, origin)
            if _state_of(near) != file.before:
                reason = "it was written to while it was being examined"
                return Adoption(file.path, Status.REFUSED, file.key, reason)
            may_replace = self.may_replace or was_there
            if not settle(near, final, described, before=file.before, may_replace=may_replace):
                reason = "another file came to be in its place meanwhile"
                return Adoption(file.path, Status.OCCUPIED, file.key, reason)
        if described is not None:
            return file.ended(Status.ADOPTED, None if ids is None else len(ids))
        return file.ended(Status.ALREADY if was_there else Status.UNPROVEN)

    def _ids(self, file: OldFile, key: TrajectoryKey) -> Mapping[int, str] | None:
        """Ids of rows that were found in the benchmark; None where nobody could look."""
        samples = self.samples_of(key) if self.samples_of and file.questions else None
        return match_rows(file.questions, samples) if samples else None


@dataclass(frozen=True)
class _Candidate:
    """A verified file on its way in.

    Args:
        path: the file as it was found.
        source: where its bytes are read: there, or in its place already.
        before: size and time of the last change when verification began.
        key: its cell.
        note: what its mapping rests on.
        report: what verification found.
    """

    path: Path
    source: Path
    before: tuple[int, int]
    key: TrajectoryKey
    note: str
    report: Report

    def ended(self, status: Status, n_matched: int | None = None) -> Adoption:
        """The outcome; what adoption has mended is no finding any more."""
        is_mended = status in {Status.ADOPTED, Status.WOULD_ADOPT}
        found = [f for f in self.report.findings if not (is_mended and f.kind in _MADE_HERE)]
        n_samples = self.report.facts.get("n_samples")
        return Adoption(self.path, status, self.key, self.note, tuple(found), n_samples, n_matched)


def _rivals(
    files: Sequence[OldFile], guesses: Sequence[CellGuess], data_dir: Path
) -> dict[TrajectoryKey, str]:
    """The cells that several different files claim, none of which lies there already."""
    claims: dict[TrajectoryKey, list[Path]] = {}
    for file, guess in zip(files, guesses, strict=True):
        if guess.key is not None:
            others = claims.setdefault(guess.key, [])
            if not any(other.samefile(file.path) for other in others):
                others.append(file.path)
    return {
        key: f"several files are for {key}, name one alone: {', '.join(map(str, paths))}"
        for key, paths in claims.items()
        if len(paths) > 1
        and not any(is_there(path, data_dir / key.trajectory_path) for path in paths)
    }


def _describe(
    file: _Candidate, near: Path, final: Path, ids: Mapping[int, str] | None, origin: Origin
) -> tuple[Manifest, DigestTable] | None:
    """Manifest and table, of a file that can be read to the end."""
    if ACTIVATIONS_SANE not in file.report.checks_run:
        return None
    rules_version = "" if _condemning(file.report.findings) else RULES_VERSION
    try:
        return describe_file(
            near,
            origin=origin,
            cell=file.key,
            sample_ids=ids,
            rules_version=rules_version,
            beside=final,
        )
    except IntegrityError:  # what hinders it, verification has said
        return None


def _expected(file: OldFile, key: TrajectoryKey) -> Expected:
    """What the file should say; where it says it in other words, `cells` has understood them."""
    said = {name: str(file.attributes.get(name, "")) for name in ("model", "task", "n_shot")}
    return Expected(
        model=key.model if said["model"] in {"", key.model} else None,
        task=key.task if said["task"] in {"", key.task} else None,
        n_shot=key.n_shot if said["n_shot"] in {"", str(key.n_shot)} else None,
    )


def _state_of(path: Path) -> tuple[int, int]:
    """Size and time of the last change, which links and copies keep."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _refusal(report: Report, *, replaces: bool) -> str:
    """Why a file is not taken in though it has a cell; empty if it is."""
    for found in report.findings:
        if found.kind == "open_for_write":
            return f"{found.what}; if it no longer is being written, `quarry salvage` reads it"
        if found.kind == "wrong_partition":
            return f"{found.what}: {found.where.rpartition(', ')[2]} is {found.got!r}"
    lost = {found.kind for found in report.findings_of(LAYOUT_VALID)} & {"dataset_missing"}
    if lost and ACTIVATIONS_SANE not in report.checks_run:
        return "it lacks datasets that every trajectory file has"
    condemned = _condemning(report.findings)
    if replaces and condemned:
        return f"a damaged file replaces no other: {condemned[0].what}"
    return ""


def _condemning(findings: Sequence[Finding]) -> list[Finding]:
    """The errors, but for the lack of a manifest, which adoption makes."""
    return [f for f in findings if f.severity == "error" and f.kind not in _MADE_HERE]

"""The scrub's ledger: when each file of a data directory was last verified in full.

A small JSON file with a digest of itself, replaced as a whole. An entry belongs to one version of a
file, so that a file that was replaced counts as new. Without Dagster only: there the instance
remembers when a check ran.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from quarry.errors import IntegrityError, QuarryError, UsageError
from quarry.findings import Finding
from quarry.scrub_plan import Account, ScrubItem
from quarry.trajectory.digests import canonical_digest
from quarry.trajectory.manifest import manifest_path, read_manifest
from quarry.trajectory.report import RULES_VERSION

NAME = "scrub.json"
FORMAT_VERSION = 1
_DIGEST = "digest"
_ROUNDING = timedelta(seconds=1)
"""A manifest names the whole second in which it was made."""


@dataclass(frozen=True)
class Entry:
    """What is known about one version of a file.

    Args:
        version: changes when the file is replaced.
        known_since: when the scrub first saw this version.
        last_verified: when it was last verified in full; None for never.
        is_clean: what came of it; None for never.
    """

    version: str
    known_since: datetime
    last_verified: datetime | None = None
    is_clean: bool | None = None


@dataclass
class Ledger:
    """All entries by path below the data directory, and what the latest day left of its budget."""

    files: dict[str, Entry] = field(default_factory=dict[str, Entry])
    account: Account | None = None

    def look(self, root: Path, paths: Sequence[Path], now: datetime) -> list[str]:
        """Take in what is there now: new files, and new versions of known ones.

        Args:
            root: the data directory.
            paths: its trajectory files.
            now: the present.

        Returns:
            Names that the ledger knew and that are there no more; they are forgotten.
        """
        seen: dict[str, Entry] = {}
        for path in paths:
            name = path.relative_to(root).as_posix()
            try:
                known, entry = self.files.get(name), _first_sight(path, now)
            except OSError:  # gone since it was listed, or a link that leads nowhere
                continue
            seen[name] = known if known and known.version == entry.version else entry
        gone = sorted(set(self.files) - set(seen))
        self.files = seen
        return gone

    def items(self, root: Path) -> list[ScrubItem]:
        """The files as items of a plan."""
        return [
            ScrubItem(name, (root / name).stat().st_size, entry.last_verified, entry.known_since)
            for name, entry in self.files.items()
        ]

    def condemned(self) -> list[str]:
        """Names of files that were found damaged and have not been replaced since."""
        return [name for name, entry in self.files.items() if entry.is_clean is False]

    def record(self, name: str, verified_at: datetime, *, is_clean: bool) -> None:
        """Remember a verification that began at `verified_at`."""
        self.files[name] = replace(self.files[name], last_verified=verified_at, is_clean=is_clean)


def read_ledger(path: Path) -> Ledger:
    """Read a ledger; an empty one if there is none.

    Raises:
        IntegrityError: it is damaged.
        UsageError: it can't be read.
    """
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Ledger()
    except OSError as error:
        raise _no_access("read", path, error) from error
    except ValueError as error:
        raise _damaged(path, "JSON", str(error)) from error
    try:
        return _from_dict(values, path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, QuarryError):
            raise
        raise _damaged(path, "the values of a ledger", repr(error)) from error


def write_ledger(path: Path, ledger: Ledger) -> None:
    """Replace the ledger durably: its name holds either the old or the whole new one.

    Raises:
        UsageError: it can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(_as_dict(ledger), file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _no_access("written", path, error) from error


def set_aside(path: Path) -> Path:
    """Rename a damaged ledger so that a person may look at it; returns where it is now."""
    aside = path.with_name(f"{path.name}.damaged")
    path.replace(aside)
    return aside


def _first_sight(path: Path, now: datetime) -> Entry:
    """The entry of a file that was not known in this version.

    A published file was verified by its publication, provided that nothing has written to it since.
    A copy has a later modification time and counts as never verified, to be on the safe side.
    """
    status = path.stat()
    try:
        manifest = read_manifest(manifest_path(path))
        created = datetime.fromisoformat(manifest.created_at)
    except (QuarryError, OSError, ValueError):
        return Entry(f"{status.st_size} bytes, {status.st_mtime_ns} ns", now)
    version = f"{manifest.blake3}, {status.st_size} bytes, {status.st_mtime_ns} ns"
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    is_proven = (
        modified <= created + _ROUNDING
        and created <= now
        and status.st_size == manifest.size_bytes
        and manifest.rules_version == RULES_VERSION
    )
    return Entry(version, now, created, True) if is_proven else Entry(version, now)


def _as_dict(ledger: Ledger) -> dict[str, Any]:
    """Plain JSON values, with a digest over all the others."""
    account = ledger.account
    values: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "account": account and {"day": account.day.isoformat(), "left_bytes": account.left_bytes},
        "files": {name: _plain(entry) for name, entry in sorted(ledger.files.items())},
    }
    return values | {_DIGEST: _digest(values)}


def _digest(values: Mapping[str, Any]) -> str:
    """The digest of the ledger's values; over ASCII, since a file's name need not be UTF-8."""
    return canonical_digest(json.dumps(values, sort_keys=True))


def _plain(entry: Entry) -> dict[str, Any]:
    """An entry with its times as ISO 8601."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(entry).items()
    }


def _from_dict(values: Mapping[str, Any], path: Path) -> Ledger:
    """The inverse of `_as_dict`."""
    rest = {name: value for name, value in values.items() if name != _DIGEST}
    expected = _digest(rest)
    if values.get(_DIGEST) != expected:
        raise _damaged(path, f"digest {expected}", f"digest {values.get(_DIGEST)}")
    if rest["format_version"] != FORMAT_VERSION:
        raise _damaged(path, f"format_version {FORMAT_VERSION}", str(rest["format_version"]))
    account = rest["account"]
    return Ledger(
        {name: _entry(entry) for name, entry in rest["files"].items()},
        account and Account(date.fromisoformat(account["day"]), int(account["left_bytes"])),
    )


def _entry(values: Mapping[str, Any]) -> Entry:
    """The inverse of `_plain`."""
    verified = values["last_verified"]
    return Entry(
        version=str(values["version"]),
        known_since=datetime.fromisoformat(values["known_since"]),
        last_verified=None if verified is None else datetime.fromisoformat(verified),
        is_clean=values["is_clean"],
    )


def _damaged(path: Path, expected: str, got: str) -> IntegrityError:
    """The error for a ledger that proves nothing any more."""
    found = Finding(
        check="scrub_ledger",
        kind="ledger_damaged",
        what="The scrub's ledger is damaged",
        where=str(path),
        expected=expected,
        got=got,
        cure="nothing is lost: the files are verified again, within the period",
    )
    return IntegrityError("The scrub's ledger is damaged", where=str(path), findings=[found])


def _no_access(action: str, path: Path, error: OSError) -> UsageError:
    """The error of an operating system that does not let us."""
    return UsageError(
        f"The scrub's ledger can't be {action}",
        where=str(path),
        expected="a data directory that this user may write to",
        got=error.strerror or str(error),
        fix="correct the permissions, or make room on the disk",
    )

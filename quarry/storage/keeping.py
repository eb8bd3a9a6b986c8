"""Keeps a proven, recorded copy of a published file in a store, and looks at it again later.

Stored, proven, recorded, in this order: what is recorded was there. The file, its table and its
manifest are recorded together, so that who finds the file recorded may rely on all three. What a
kill between storing and recording leaves behind is found by `reconciliation`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from quarry.errors import IntegrityError
from quarry.findings import Finding
from quarry.storage.ledger import Ledger, LedgerEntry, State
from quarry.storage.limits import CancelFlag, Limits, Progress
from quarry.storage.mirror import send
from quarry.storage.object_store import ObjectInfo, ObjectStore
from quarry.storage.outgoing import Outgoing, outgoing, owner_of
from quarry.storage.remote_findings import LookLevel, looks
from quarry.storage.remote_proof import Look, left_s, look_at
from quarry.trajectory.report import Expected, condense
from quarry.trajectory.verification import verify


@dataclass(frozen=True)
class KeptCopy:
    """A file that has a recorded copy.

    Args:
        entry: the file itself in the ledger.
        proofs: its table and its manifest in the ledger; none for a format without manifest.
        bytes_sent: bytes of all objects that were stored anew, with the parts that an interrupted
            upload had left; 0 if the store had them.
        seconds: how long it took.
    """

    entry: LedgerEntry
    proofs: tuple[LedgerEntry, ...]
    bytes_sent: int
    seconds: float


def keep_copy(
    file: Path,
    name: str,
    store: ObjectStore,
    ledger: Ledger,
    *,
    again: bool = False,
    expected: Expected | None = None,
    deadline_s: float | None = None,
    progress: Progress | None = None,
    cancel: CancelFlag | None = None,
) -> KeptCopy:
    """Store a published file with its proofs, prove the copy, and record it.

    What the store has already is not sent again, unless the ledger knows that it is damaged there.

    Args:
        file: the file; a trajectory file has manifest and table beside it, a table does not.
        name: the object's name.
        store: where to.
        ledger: where it is recorded.
        again: store a new version although the current one claims the same digest.
        expected: what a trajectory file should be; one that lies in another cell's place would
            take the place of that cell's copy.
        deadline_s: most seconds for all of it.
        progress: called with bytes done and in all, for the file itself.
        cancel: stops when it is set.

    Raises:
        FileMissingError: there is no file, or it lacks its manifest.
        IntegrityError: the file is not what its manifest says, it changed while it was read, or the
            copy is not what was sent. Nothing is recorded.
        StorageError: it could not be done; running it again goes on.
    """
    started = time.monotonic()
    objects = outgoing(file, name)
    if len(objects) > 1:
        level = "light" if expected is None else "structure"
        verify(file, level=level, expected=expected).raise_if_broken()
    limits = Limits("Keeping a copy", f"{store}/{name}", deadline_s, cancel)
    names = [one.name for one in objects]
    if not again:
        names = _known_damaged(objects, store, ledger, limits)
    sent = send(objects, store, limits, again=names, progress=progress, cancel=cancel)
    versions = [one.info.version for one in sent]
    proofs = [
        look_at(one, store, version, left_s(limits))
        for one, version in zip(objects, versions, strict=True)
    ]
    entry, *others = record_proven(objects, proofs, store, ledger)
    return KeptCopy(
        entry=entry,
        proofs=tuple(others),
        bytes_sent=sum(one.bytes_sent for one in sent),
        seconds=time.monotonic() - started,
    )


def examine_copy(
    file: Path,
    name: str,
    store: ObjectStore,
    ledger: Ledger,
    *,
    level: LookLevel = "light",
    expected: Expected | None = None,
    deadline_s: float | None = None,
) -> list[Finding]:
    """`remote_findings`; what is found wrong is condemned in the ledger, so that it is sent anew.

    Args:
        file: the file, which need not be there if its manifest is.
        name: the object's name.
        store: the store.
        ledger: where the copy may be recorded.
        level: see `remote_findings`.
        expected: what a trajectory file should be. Where one of another cell lies here, a copy that
            differs from it may be the right one, and is not condemned.
        deadline_s: see `remote_findings`.

    Raises:
        FileMissingError, IntegrityError: there is nothing to compare with, or what differs from the
            copy is another cell's file.
        StorageError: the store can't be asked.
    """
    since = datetime.now(UTC)
    found = looks(file, name, store, level=level, deadline_s=deadline_s)
    if expected is not None and any(look.findings for look in found.values()):
        _require_own(file, expected)
    _condemn(found, store, ledger, since)
    return condense(finding for look in found.values() for finding in look.findings)


def record_proven(
    objects: Sequence[Outgoing], found: Sequence[Look], store: ObjectStore, ledger: Ledger
) -> list[LedgerEntry]:
    """Record the objects of a file if all of them were found to be right.

    Args:
        objects: the file first.
        found: what was found of each.
        store: the store.
        ledger: where to record them.

    Raises:
        IntegrityError: one of them is not what it should be; that is noted, nothing is recorded.
    """
    wrong = [finding for look in found for finding in look.findings]
    if wrong:
        looked = {one.name: look for one, look in zip(objects, found, strict=True)}
        _condemn(looked, store, ledger, datetime.now(UTC))
        raise IntegrityError(
            "A copy is not what was stored",
            where=f"{store}/{objects[0].name}",
            findings=wrong,
        )
    entries = [LedgerEntry.of(store, look.info) for look in found if look.info is not None]
    ledger.record(entries, replaces=_other_proofs(objects, store, ledger))
    return entries


def _require_own(file: Path, expected: Expected) -> None:
    """Refuse to hold a copy against another cell's file.

    Raises:
        IntegrityError: it is another cell's.
    """
    if not file.exists():
        return
    report = verify(file, level="structure", expected=expected)
    wrong = [finding for finding in report.findings if finding.kind == "wrong_partition"]
    if wrong:
        raise IntegrityError(
            "A copy can't be held against another cell's file", where=str(file), findings=wrong
        )


def _known_damaged(
    objects: Sequence[Outgoing], store: ObjectStore, ledger: Ledger, limits: Limits
) -> list[str]:
    """Names whose current version is known to have other bytes than it claims."""
    damaged = {
        one.name: one.version
        for one in ledger.condemned(store, objects[0].name)
        if one.state == "damaged"
    }
    current: list[ObjectInfo | None] = [
        store.head(one.name, deadline_s=left_s(limits)) for one in objects if one.name in damaged
    ]
    return [info.name for info in current if info and damaged[info.name] == info.version]


def _condemn(
    found: Mapping[str, Look], store: ObjectStore, ledger: Ledger, since: datetime
) -> None:
    """Note in the ledger what is wrong; a file whose proofs are wrong is unproven."""
    first = next(iter(found))
    wrong = {name: look for name, look in found.items() if look.findings}
    for name, look in wrong.items():
        if look.is_rotten and look.info is not None:
            ledger.condemn(LedgerEntry.of(store, look.info), "damaged", since=since)
        else:
            _withdraw(name, "missing", store, ledger)
    if wrong and first not in wrong:
        _withdraw(first, "unproven", store, ledger)


def _withdraw(name: str, state: State, store: ObjectStore, ledger: Ledger) -> None:
    """Condemn what is recorded of a name, if anything is."""
    entry = ledger.entry(store, name)
    if entry is not None:
        ledger.condemn(entry, state)


def _other_proofs(objects: Sequence[Outgoing], store: ObjectStore, ledger: Ledger) -> list[str]:
    """Names of recorded proofs of older versions of a file."""
    file, names = objects[0].name, {one.name for one in objects}
    known = [*ledger.entries(store, file), *ledger.condemned(store, file)]
    return [one.name for one in known if owner_of(one.name) == file and one.name not in names]

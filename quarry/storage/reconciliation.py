"""`reconcile`: compares the ledger of copies with a store's listing, after a crash or by schedule.

    there as the file here is, recorded            confirmed
    there as the file here is, not recorded        proven cheaply, adopted
    recorded, but gone or another file now         lost: condemned, with a finding
    recorded and there, but older than the file    outdated: to be stored

Beside the listing it costs, for a file that is adopted, a request and 2 KiB for each of its three
objects; for one whose copy is another version, a request for each recorded object. No object is
downloaded as a whole. What to do is decided elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from quarry.errors import FileMissingError, IntegrityError, UsageError
from quarry.findings import Finding
from quarry.storage.keeping import record_proven
from quarry.storage.ledger import Ledger, LedgerEntry
from quarry.storage.limits import Limits
from quarry.storage.object_store import ObjectInfo, ObjectStore, UnfinishedUpload
from quarry.storage.outgoing import Outgoing, outgoing, owner_of
from quarry.storage.remote_proof import left_s, look_at, remote_finding


@dataclass(frozen=True)
class Reconciliation:
    """How ledger and store compare.

    Args:
        confirmed: recorded, and there: files, not their proofs.
        adopted: files that were there and are recorded now.
        lost: names of files that were recorded and have no good copy any more.
        outdated: names of files whose recorded copy is of an older version than the file here.
        to_keep: names of files that are here and whose present version has no recorded copy.
        findings: why copies are lost.
        unfinished: interrupted uploads; those of `to_keep` are taken up by the next upload.
    """

    confirmed: tuple[LedgerEntry, ...]
    adopted: tuple[LedgerEntry, ...]
    lost: tuple[str, ...]
    outdated: tuple[str, ...]
    to_keep: tuple[str, ...]
    findings: tuple[Finding, ...]
    unfinished: tuple[UnfinishedUpload, ...]

    def counts(self) -> dict[str, int]:
        """How many files, findings and uploads there are of each sort."""
        return {
            "confirmed": len(self.confirmed),
            "adopted": len(self.adopted),
            "lost": len(self.lost),
            "outdated": len(self.outdated),
            "to_keep": len(self.to_keep),
            "unfinished": len(self.unfinished),
        }


@dataclass
class _Found:
    """What was found so far."""

    confirmed: list[LedgerEntry] = field(default_factory=list[LedgerEntry])
    adopted: list[LedgerEntry] = field(default_factory=list[LedgerEntry])
    lost: list[str] = field(default_factory=list[str])
    outdated: list[str] = field(default_factory=list[str])
    to_keep: list[str] = field(default_factory=list[str])
    findings: list[Finding] = field(default_factory=list[Finding])


def reconcile(
    files: Mapping[str, Path],
    store: ObjectStore,
    ledger: Ledger,
    *,
    deadline_s: float | None = None,
) -> Reconciliation:
    """Bring the ledger up to date with what the store has.

    Entries under the longest common prefix of the names are looked at, also those of no file.

    Args:
        files: where each file lies, by the name of its object; none need exist.
        store: the store.
        ledger: the ledger.
        deadline_s: most seconds for all of it.

    Raises:
        IntegrityError: the ledger is damaged.
        StorageError: the store can't be asked.
    """
    if not files:
        return Reconciliation((), (), (), (), (), (), ())
    prefix = _common_prefix(files)
    limits = Limits("Reconciling", f"{store}/{prefix}", deadline_s)
    # Entries first: what is recorded while the store is listed must not look lost.
    known = [*ledger.entries(store, prefix), *ledger.condemned(store, prefix)]
    there = {info.name: info for info in store.objects(prefix, deadline_s=left_s(limits))}
    ledger.require_same_place(store, prefix, is_empty=not there)
    compared = _Comparison(store, ledger, limits, there, known)
    for name in sorted({*files, *compared.names}):
        compared.file(name, files.get(name))
    found = compared.found
    return Reconciliation(
        confirmed=tuple(found.confirmed),
        adopted=tuple(found.adopted),
        lost=tuple(found.lost),
        outdated=tuple(found.outdated),
        to_keep=tuple(found.to_keep),
        findings=tuple(found.findings),
        unfinished=tuple(store.unfinished(prefix, deadline_s=left_s(limits))),
    )


class _Comparison:
    """Compares file by file."""

    def __init__(
        self,
        store: ObjectStore,
        ledger: Ledger,
        limits: Limits,
        there: Mapping[str, ObjectInfo],
        known: list[LedgerEntry],
    ) -> None:
        self.found = _Found()
        self._store = store
        self._ledger = ledger
        self._limits = limits
        self._there = there
        self._known: dict[str, list[LedgerEntry]] = defaultdict(list)
        for entry in known:
            self._known[owner_of(entry.name) or entry.name].append(entry)

    @property
    def names(self) -> set[str]:
        """Names of all files that the ledger knows."""
        return set(self._known)

    def file(self, name: str, path: Path | None) -> None:
        """Compare a file, its entries and its objects."""
        entries = {entry.name: entry for entry in self._known[name]}
        local = None if path is None else _local(path, name)
        if local is not None and all(self._is_there(one) for one in local):
            is_recorded = self._matching(name, local, entries)
        else:
            is_recorded = self._other(name, local, entries)
        if path is not None and local is not None and path.exists() and not is_recorded:
            self.found.to_keep.append(name)

    def _matching(
        self, name: str, local: tuple[Outgoing, ...], entries: dict[str, LedgerEntry]
    ) -> bool:
        """The store lists what the file here is; returns whether that is recorded now."""
        listed = [entries.get(one.name) for one in local]
        known = [one for one in listed if one and one.describes(self._there[one.name])]
        if len(known) == len(local) and all(one.state == "kept" for one in known):
            self.found.confirmed.append(entries[name])
            return True
        if any(one.state == "damaged" for one in known):
            self._lose(name, list(entries.values()))
            return False
        return self._adopt(name, local, is_known=bool(entries))

    def _adopt(self, name: str, local: tuple[Outgoing, ...], *, is_known: bool) -> bool:
        """Prove the objects cheaply and record them; returns whether that was possible."""
        looks = [
            look_at(one, self._store, self._there[one.name].version, left_s(self._limits))
            for one in local
        ]
        try:
            self.found.adopted.append(record_proven(local, looks, self._store, self._ledger)[0])
        except IntegrityError as error:
            self.found.findings += error.findings
            if is_known:
                self.found.lost.append(name)
            return False
        return True

    def _other(
        self, name: str, local: tuple[Outgoing, ...] | None, entries: dict[str, LedgerEntry]
    ) -> bool:
        """The store lists something else than the file here, or nothing here says what it is.

        Returns:
            Whether what is here is recorded.
        """
        if name not in entries:
            return False
        digest = local[0].blake3 if local else None
        is_of_file_here = entries[name].blake3 == digest
        if any(not self._holds(one, is_of_file_here) for one in entries.values()):
            self._lose(name, list(entries.values()))
        elif local is None:
            self.found.confirmed.append(entries[name])
        else:
            self.found.outdated.append(name)
        return False

    def _holds(self, entry: LedgerEntry, is_of_file_here: bool) -> bool:
        """Whether an entry is still true.

        A copy of the file that is here must be the current version, since that is what a reader by
        name gets; one of another version need only exist.
        """
        if entry.state != "kept":
            return False
        if entry.describes(self._there.get(entry.name)):
            return True
        if is_of_file_here:
            return False
        left = left_s(self._limits)
        return entry.describes(self._store.head(entry.name, entry.version, deadline_s=left))

    def _lose(self, name: str, entries: list[LedgerEntry]) -> None:
        """Condemn what is not true any more, unless it was recorded anew meanwhile."""
        if self._ledger.entry(self._store, name) not in (None, *entries):
            return
        self.found.lost.append(name)
        wrong = [one for one in entries if not one.describes(self._there.get(one.name))]
        for entry in wrong:
            self.found.findings.append(self._finding(entry))
            if entry.state == "kept":
                self._ledger.condemn(entry, "missing")
        for entry in entries:
            if entry in wrong:
                continue
            if entry.state not in ("kept", "unproven"):
                self.found.findings.append(self._finding(entry))
            elif entry.name == name and entry.state == "kept":
                self._ledger.condemn(entry, "unproven")

    def _finding(self, entry: LedgerEntry) -> Finding:
        """Why an entry is not true any more."""
        info = self._there.get(entry.name)
        expected = f"version {entry.version}, blake3 {entry.blake3}"
        got = "none" if info is None else f"version {info.version}, blake3 {info.blake3}"
        kind = "remote_missing" if info is None else "remote_differs"
        what = "A recorded copy is gone, or another file has its place"
        if entry.describes(info):
            kind, what = "remote_damaged", "A recorded copy is condemned: its bytes are others"
        return remote_finding(kind, what, f"{self._store}/{entry.name}", expected, got)

    def _is_there(self, one: Outgoing) -> bool:
        """Whether the store lists an object as it should be."""
        info = self._there.get(one.name)
        wanted = one.blake3, one.size_bytes
        return info is not None and (info.blake3, info.size_bytes) == wanted


def _local(path: Path, name: str) -> tuple[Outgoing, ...] | None:
    """What a file's objects should be; none where nothing here proves it."""
    with suppress(FileMissingError, IntegrityError, UsageError):
        return outgoing(path, name)
    return None


def _common_prefix(names: Iterable[str]) -> str:
    """The characters with which all names begin, however they are divided into folders."""
    first, last = min(names), max(names)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(character for character, _ in same)

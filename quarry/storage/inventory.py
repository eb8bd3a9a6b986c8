"""What a store holds of the grid, told from its listing, and what that costs.

Nothing is transferred but listings. Looking at one copy is in `remote_findings`; what to do about a
file that is missing or differs is decided elsewhere.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from quarry.errors import FileMissingError, IntegrityError
from quarry.storage.ledger import Ledger, LedgerEntry
from quarry.storage.object_store import ObjectInfo, ObjectStore, UnfinishedUpload
from quarry.storage.outgoing import manifest_name, owner_of, table_name
from quarry.storage.prices import (
    EGRESS_USD_PER_GB,
    FREE_EGRESS_RATIO,
    STORAGE_USD_PER_GB_MONTH,
    egress_usd,
    storage_usd,
)
from quarry.storage.remote_findings import remote_findings
from quarry.storage.remote_proof import REMOTE_COPY_MATCHES
from quarry.trajectory.digests import canonical_digest
from quarry.trajectory.manifest import Manifest, manifest_path, read_manifest

__all__ = [
    "REMOTE_COPY_MATCHES",
    "Entry",
    "Inventory",
    "Recorded",
    "State",
    "remote_findings",
    "take_inventory",
]

State = Literal["matching", "missing", "different", "remote_only", "absent", "orphaned"]
"""`matching` here and there; `missing` there; `different` there, or without its proofs
there; `remote_only`, not here; `absent` from both; `orphaned`: there, but of no cell."""

Recorded = Literal["recorded", "unrecorded", "contradicted", "condemned"]
"""What the ledger says of the listed version: `recorded` as good; `unrecorded`; `contradicted`:
another version is recorded than is listed; `condemned`: known to be no good copy."""


@dataclass(frozen=True)
class Entry:
    """One file of the grid, or one object of no cell.

    Args:
        name: the object's name.
        state: how here and there compare.
        size_bytes: of the object, or of the file where there is no object.
        version: the store's id of the current version, where there is one.
        proof_bytes: of the manifest and the tables that are there.
        recorded: what the ledger says; None if it was not asked.
    """

    name: str
    state: State
    size_bytes: int
    version: str | None
    proof_bytes: int = 0
    recorded: Recorded | None = None


@dataclass(frozen=True)
class Inventory:
    """What a store holds.

    Args:
        entries: files and orphans, by name.
        unfinished: interrupted uploads, which cost space.
        stored_bytes: all current versions under the prefix, proofs included.
        digest: of all that is listed here; changes when anything of it does.
    """

    entries: tuple[Entry, ...]
    unfinished: tuple[UnfinishedUpload, ...]
    stored_bytes: int
    digest: str = ""

    def counts(self) -> dict[str, int]:
        """How many entries are in each state."""
        return dict(Counter(entry.state for entry in self.entries))

    def recorded_counts(self) -> dict[str, int]:
        """What the ledger says of how many entries; empty if it was not asked."""
        return dict(Counter(entry.recorded for entry in self.entries if entry.recorded))

    @property
    def fetch_bytes(self) -> int:
        """What would have to be downloaded to have every file of the grid here."""
        wanted = [entry for entry in self.entries if entry.state == "remote_only"]
        return sum(entry.size_bytes + entry.proof_bytes for entry in wanted)

    def monthly_cost(self, usd_per_gb_month: float = STORAGE_USD_PER_GB_MONTH) -> float:
        """What keeping it costs a month, in US dollars; a GB is 10^9 bytes."""
        return storage_usd(self.stored_bytes, usd_per_gb_month)

    def egress_cost(
        self, usd_per_gb: float = EGRESS_USD_PER_GB, free_ratio: float = FREE_EGRESS_RATIO
    ) -> float:
        """What downloading `fetch_bytes` within a month costs, in US dollars."""
        return egress_usd(self.fetch_bytes, self.stored_bytes, usd_per_gb, free_ratio)

    def as_rows(self) -> list[dict[str, Any]]:
        """The entries as plain values, for a table."""
        return [asdict(entry) for entry in self.entries]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, with the costs at the usual prices."""
        return {
            "digest": self.digest,
            "counts": self.counts(),
            "recorded": self.recorded_counts(),
            "stored_bytes": self.stored_bytes,
            "fetch_bytes": self.fetch_bytes,
            "monthly_cost_usd": self.monthly_cost(),
            "egress_cost_usd": self.egress_cost(),
            "unfinished": [
                asdict(one) | {"started_at": one.started_at.isoformat()} for one in self.unfinished
            ],
            "entries": self.as_rows(),
        }


def take_inventory(
    files: Mapping[str, Path],
    store: ObjectStore,
    prefix: str = "trajectories/",
    *,
    ledger: Ledger | None = None,
    deadline_s: float | None = None,
) -> Inventory:
    """Compare the grid's files with a store's listing.

    Args:
        files: where each file of the grid lies, by the name of its object; none need exist.
        store: the store.
        prefix: under which the grid's objects lie.
        ledger: asked what is recorded of each object, if given.
        deadline_s: most seconds for each of the two listings.

    Raises:
        IntegrityError: the ledger is damaged.
        StorageError: the store can't be asked.
    """
    there = {info.name: info for info in store.objects(prefix, deadline_s=deadline_s)}
    if ledger is not None:
        ledger.require_same_place(store, prefix, is_empty=not there)
    unfinished = tuple(store.unfinished(prefix, deadline_s=deadline_s))
    known = None if ledger is None else _known(ledger, store, prefix)
    proof_bytes = _proof_bytes(there.values())
    entries = [_entry(name, path, there, proof_bytes[name], known) for name, path in files.items()]
    entries += [
        Entry(name, "orphaned", info.size_bytes, info.version, 0, _recorded(name, info, known))
        for name, info in there.items()
        if (owner_of(name) or name) not in files
    ]
    if known:
        entries = [_found_by_version(entry, known.get(entry.name), store) for entry in entries]
    entries.sort(key=lambda entry: entry.name)
    return Inventory(
        entries=tuple(entries),
        unfinished=unfinished,
        stored_bytes=sum(info.size_bytes for info in there.values()),
        digest=_digest(entries, there.values(), unfinished),
    )


def _entry(
    name: str,
    path: Path,
    there: Mapping[str, ObjectInfo],
    proof_bytes: int,
    known: Mapping[str, LedgerEntry] | None,
) -> Entry:
    """How a file of the grid and its objects compare, by digest.

    A copy that lacks its manifest or its table can't be restored, so it counts as different.
    """
    info = there.get(name)
    manifest, recorded = _manifest_of(path), _recorded(name, info, known)
    if info is None:
        size_bytes = manifest.size_bytes if manifest else 0
        state: State = "missing" if path.exists() else "absent"
        return Entry(name, state, size_bytes, None, proof_bytes, recorded)
    state = "remote_only"
    if path.exists():
        is_same = (
            manifest is not None
            and manifest.blake3 == info.blake3
            and manifest_name(name) in there
            and table_name(name, manifest.digests) in there
        )
        state = "matching" if is_same else "different"
    return Entry(name, state, info.size_bytes, info.version, proof_bytes, recorded)


def _found_by_version(entry: Entry, recorded: LedgerEntry | None, store: ObjectStore) -> Entry:
    """An absent file whose recorded version is there although hidden: it can be had without a GPU.

    One request for each file that is absent from both and recorded, so mostly none.
    """
    if entry.state != "absent" or recorded is None or recorded.state != "kept":
        return entry
    info = store.head(entry.name, recorded.version)
    if info is None or not recorded.describes(info):
        return entry
    return replace(entry, state="remote_only", size_bytes=info.size_bytes, version=info.version)


def _manifest_of(path: Path) -> Manifest | None:
    """A file's manifest, where there is a whole one."""
    try:
        return read_manifest(manifest_path(path))
    except (FileMissingError, IntegrityError):
        return None


def _known(ledger: Ledger, store: ObjectStore, prefix: str) -> dict[str, LedgerEntry]:
    """What the ledger knows, good and condemned, by name."""
    found = [*ledger.entries(store, prefix), *ledger.condemned(store, prefix)]
    return {entry.name: entry for entry in found}


def _recorded(
    name: str, info: ObjectInfo | None, known: Mapping[str, LedgerEntry] | None
) -> Recorded | None:
    """What the ledger says of a listed version, or of its absence."""
    if known is None:
        return None
    entry = known.get(name)
    if entry is None:
        return "unrecorded"
    if entry.state != "kept":
        return "condemned"
    return "recorded" if entry.describes(info) else "contradicted"


def _proof_bytes(objects: Iterable[ObjectInfo]) -> dict[str, int]:
    """Sizes of the manifests and tables that belong to each file, by the file's name."""
    sizes: dict[str, int] = defaultdict(int)
    for info in objects:
        owner = owner_of(info.name)
        if owner is not None:
            sizes[owner] += info.size_bytes
    return sizes


def _digest(
    entries: Iterable[Entry], objects: Iterable[ObjectInfo], unfinished: Iterable[UnfinishedUpload]
) -> str:
    """The digest of everything listed, in an order of its own."""
    listed = [[one.name, one.version, one.size_bytes, one.blake3] for one in objects]
    begun = [[one.name, one.upload] for one in unfinished]
    values = [asdict(entry) for entry in entries]
    return canonical_digest([values, sorted(listed), sorted(begun)])

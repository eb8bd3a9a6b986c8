"""What must hold after a copy's job was killed, and after the next run of the same job."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blake3 import blake3

from quarry.storage.ledger import Ledger
from quarry.storage.outgoing import Outgoing, outgoing
from quarry.trajectory.manifest import manifest_path, read_manifest
from tests.b2_server import B2Server
from tests.b2_server.server import StoredFile
from tests.soak.copy_jobs import N_CONNECTIONS, PART_BYTES, RANGE_BYTES
from tests.soak.corpus import Specimen


@dataclass(frozen=True)
class Case:
    """A job on one object.

    Args:
        kind: `keep`, `fetch` or `restore`.
        name: of the object.
        path: the file to keep, or where the object is brought.
        good: what it must be.
        directory: where locks and ledger lie.
        first_request: how many requests the server had seen before.
    """

    kind: str
    name: str
    path: Path
    good: Specimen
    directory: Path
    first_request: int

    def renamed(self, name: str) -> Case:
        """The same for another object."""
        return replace(self, name=name)

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened by nobody here while a job runs."""
        return Ledger(self.directory / "copies.sqlite")

    @property
    def objects(self) -> tuple[Outgoing, ...]:
        """What must be in the store at the end."""
        return outgoing(self.good.path, self.name)

    def job(self, server: B2Server) -> dict[str, Any]:
        """What the child is told."""
        return {
            "kind": self.kind,
            "url": server.url,
            "key_id": server.key_id,
            "key": server.key,
            "bucket": server.bucket,
            "locks": str(self.directory / "locks"),
            "ledger": str(self.ledger.path),
            "path": str(self.path),
            "name": self.name,
            "blake3": read_manifest(manifest_path(self.good.path)).blake3,
        }


def check_after_kill(server: B2Server, case: Case) -> list[str]:
    """What is recorded is there, nothing is there twice, final names have whole files."""
    wrong = [
        f"a false record: {entry.name}, {entry.version}"
        for entry in case.ledger.entries(f"b2://{server.bucket}", case.name)
        if not _is_true(server, entry.name, entry.version, entry.blake3, entry.size_bytes)
    ]
    wrong += [
        f"{len(found)} versions of {name}"
        for name, found in _versions(server, case).items()
        if len(found) > 1
    ]
    if case.kind != "keep":
        wrong += [
            f"a partial file at its final name: {path.name}"
            for path in sorted(case.path.parent.glob("[!.]*"))
            if path.suffix != ".pending"
            and path.read_bytes() != (case.good.path.parent / path.name).read_bytes()
        ]
    return wrong


def check_next_run(
    server: B2Server, case: Case, n_before: int, n_kills: int, counts: Counter[str]
) -> list[str]:
    """All is there, recorded and byte-identical, and little was sent again.

    Args:
        server: the server.
        case: the case.
        n_before: how many runs there were before the one that was let through.
        n_kills: how many of them were killed; the others had come to their end.
        counts: takes the figures.
    """
    wrong = check_after_kill(server, case)
    if case.kind == "keep":
        return wrong + _stored(server, case) + _sent_again(server, case, n_kills, counts)
    there = {path.name for path in case.path.parent.iterdir()}
    temporary = {name for name in there if name.startswith(".")}
    counts["temporaries left"] += len(temporary)
    names = {case.path.name}
    if case.kind == "restore":
        names |= {path.name for path in case.good.sidecars}
    if there - temporary != names:
        wrong.append(f"there are {sorted(there - temporary)}, not {sorted(names)}")
    if case.kind == "restore":
        return wrong + _fetched_again(server, case, n_kills, RANGE_BYTES, counts)
    return wrong + _fetched_again(server, case, n_before, case.good.size_bytes, counts)


def _stored(server: B2Server, case: Case) -> list[str]:
    """Every object is there once, right, and recorded; no upload is left over."""
    wrong: list[str] = []
    recorded = {one.name: one for one in case.ledger.entries(f"b2://{server.bucket}", case.name)}
    versions = _versions(server, case)
    for one in case.objects:
        ids = [found.file_id for found in versions.get(one.name, [])]
        entry = recorded.get(one.name)
        if len(ids) != 1:
            wrong.append(f"{len(ids)} versions of {one.name} at the end")
        elif server.content(one.name) != one.path.read_bytes():
            wrong.append(f"{one.name} has other bytes")
        elif entry is None or [entry.version] != ids:
            wrong.append(f"{one.name} is not recorded")
    left = [one.name for one in server.unfinished() if one.name.startswith(case.name)]
    return wrong + [f"an unfinished upload of {name} is left" for name in left]


def _sent_again(server: B2Server, case: Case, n_kills: int, counts: Counter[str]) -> list[str]:
    """Bytes of all uploads beyond those of the files: at most a part for each stream and kill."""
    sent = sum(
        one.bytes_in
        for one in server.requests[case.first_request :]
        if one.operation.startswith("upload_") and one.name.startswith(case.name)
    )
    beyond = sent - sum(one.size_bytes for one in case.objects)
    counts["bytes sent again"] += beyond
    _note_most(counts, "most parts sent again", beyond, n_kills * PART_BYTES)
    if 0 <= beyond <= n_kills * N_CONNECTIONS * PART_BYTES:
        return []
    return [f"{beyond:,} bytes were sent again after {n_kills} kills"]


def _fetched_again(
    server: B2Server, case: Case, n_times: int, most_bytes: int, counts: Counter[str]
) -> list[str]:
    """Bytes of the file beyond its size: a repair goes on range by range, a download from 0."""
    fetched = sum(
        one.bytes_out
        for one in server.requests[case.first_request :]
        if one.operation.startswith("download_") and one.name == case.name
    )
    beyond = fetched - case.good.size_bytes
    counts[f"bytes fetched again by {case.kind}"] += beyond
    if case.kind == "restore":
        _note_most(counts, "most ranges fetched again", beyond, n_times * most_bytes)
    if 0 <= beyond <= n_times * most_bytes:
        return []
    return [f"{beyond:,} bytes were fetched again after {n_times} runs"]


def _note_most(counts: Counter[str], name: str, n_bytes: int, unit_bytes: int) -> None:
    """Remember the largest number of whole or begun units."""
    counts[name] = max(counts[name], -(-n_bytes // unit_bytes))


def _versions(server: B2Server, case: Case) -> dict[str, list[StoredFile]]:
    """Finished versions of the case's objects."""
    found: dict[str, list[StoredFile]] = {}
    for one in server.versions():
        if one.action == "upload" and one.name.startswith(case.name):
            found.setdefault(one.name, []).append(one)
    return found


def _is_true(server: B2Server, name: str, version: str, digest: str, size_bytes: int) -> bool:
    """Whether a version is there, says this of itself, and has these bytes."""
    return (
        any(
            (one.name, one.file_id, one.action, one.size_bytes, one.file_info.get("blake3"))
            == (name, version, "upload", size_bytes, digest)
            for one in server.versions()
        )
        and blake3(server.content(name)).hexdigest() == digest
    )

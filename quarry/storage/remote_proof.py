"""Is a stored object what it should be? Told from what the store says and 2 KiB, or from each byte.

Objects are read in ranges, a few at a time. What a finding means for the ledger is in `keeping`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from blake3 import blake3

from quarry.errors import FileMissingError, IntegrityError
from quarry.findings import Finding
from quarry.repair.byte_repair import joined
from quarry.storage.b2_workers import in_order
from quarry.storage.limits import Limits
from quarry.storage.object_store import ObjectInfo, ObjectStore
from quarry.storage.outgoing import Outgoing
from quarry.trajectory.digest_table import Extents
from quarry.trajectory.digests import HEAD_BYTES, head_digest
from quarry.trajectory.extents import has_bytes

REMOTE_COPY_MATCHES = "remote_copy_matches"
WINDOW_BYTES = 8 << 20
_N_CONNECTIONS = 4
_CURE = "mirror the file again, if it verifies; else repair it from another copy first"
_CURE_ROT = "if the file here verifies, store it once more with `again`; else collect it again"

Range = tuple[int, int]
"""First byte, and the byte behind the last."""


@dataclass(frozen=True)
class Look:
    """What was found of one object.

    Args:
        info: the version that was looked at; none if there is none.
        findings: what is wrong with it.
    """

    info: ObjectInfo | None
    findings: list[Finding] = field(default_factory=list[Finding])

    @property
    def is_rotten(self) -> bool:
        """Whether it claims the right digest and has other bytes."""
        kinds = {found.kind for found in self.findings}
        return bool(kinds) and kinds <= {"remote_damaged", "truncated"}


def look_at(
    one: Outgoing, store: ObjectStore, version: str | None, deadline_s: float | None = None
) -> Look:
    """Compare digest and size as the store says them, and the first 2 KiB as they are.

    Args:
        one: what the object should be.
        store: the store.
        version: which version; by default the current one.
        deadline_s: most seconds of each of the two requests.

    Raises:
        StorageError: the store can't be asked.
    """
    where = f"{store}/{one.name}"
    try:
        info = store.head(one.name, version, deadline_s=deadline_s)
    except IntegrityError as error:  # what the store knows of the object is damaged
        return Look(None, error.findings)
    if info is None:
        got = "none" if version is None else f"no version {version}"
        found = remote_finding("remote_missing", "The file has no copy", where, "an object", got)
        return Look(None, [found])
    pairs = [
        ("blake3", one.blake3, f"{info.blake3}"),
        ("size", f"{one.size_bytes:,} bytes", f"{info.size_bytes:,} bytes"),
    ]
    findings = [
        remote_finding(
            "remote_differs", f"The copy is another file: its {what} differs", where, a, b
        )
        for what, a, b in pairs
        if a != b
    ]
    if findings:
        return Look(info, findings)
    try:
        head = store.read_range(one.name, 0, HEAD_BYTES, info.version, deadline_s=deadline_s)
    except FileMissingError:
        place = f"{where}, version {info.version}"
        if store.head(one.name, info.version, deadline_s=deadline_s) is not None:
            return Look(info, [_rot(place, f"{one.size_bytes:,} bytes", "none: its data is gone")])
        found = remote_finding("remote_missing", "The file has no copy", place, "an object", "none")
        return Look(None, [found])  # deleted since
    except IntegrityError as error:
        return Look(info, error.findings)
    if head_digest(head) == one.head_digest:
        return Look(info)
    place = f"{where}, version {info.version}, bytes 0-{HEAD_BYTES}"
    return Look(info, [_rot(place, f"blake3 {one.head_digest}", head_digest(head))])


def prove_extents(
    info: ObjectInfo, store: ObjectStore, extents: Extents, limits: Limits
) -> list[Finding]:
    """Compare every byte of a version with the table of digests; names the ranges that differ.

    Holds five ranges of 8 MiB, or of the longest extent.

    Raises:
        StorageError: the store can't be asked.
    """
    groups = joined(extents, range(len(extents)))
    spans = [_span(extents, group) for group in groups]
    damaged: list[Range] = []
    for group, (start, _), data in zip(
        groups, spans, _pieces(info, store, spans, limits), strict=True
    ):
        for index in group:
            first, behind = _span(extents, [index])
            if not has_bytes(memoryview(data)[first - start : behind - start], extents[index]):
                damaged.append((first, behind))
    size_bytes = spans[-1][1] if spans else 0
    where = f"{store}/{info.name}, version {info.version}"
    return [
        _rot(f"{where}, bytes {first}-{behind}", "bytes with the digest in the table", "others")
        for first, behind in _together(damaged)
    ] + ([] if info.size_bytes == size_bytes else [_too_long(where, size_bytes, info.size_bytes)])


def prove_whole(
    one: Outgoing, info: ObjectInfo, store: ObjectStore, limits: Limits
) -> list[Finding]:
    """Compare the digest of all bytes of a version, which is read in windows of 8 MiB.

    Raises:
        StorageError: the store can't be asked.
    """
    spans = [
        (start, min(start + WINDOW_BYTES, info.size_bytes))
        for start in range(0, info.size_bytes, WINDOW_BYTES)
    ]
    digest = blake3()
    for data in _pieces(info, store, spans, limits):
        digest.update(data)
    if digest.hexdigest() == one.blake3:
        return []
    where = f"{store}/{one.name}, version {info.version}, bytes 0-{info.size_bytes}"
    return [_rot(where, f"blake3 {one.blake3}", digest.hexdigest())]


def remote_finding(kind: str, what: str, where: str, expected: str, got: str) -> Finding:
    """A finding about a mirrored file."""
    return Finding(REMOTE_COPY_MATCHES, kind, what, where, expected, got, _CURE)


def left_s(limits: Limits) -> float | None:
    """Seconds that are left for a call; None without a deadline."""
    limits.check()
    return None if limits.remaining_s == float("inf") else limits.remaining_s


def _pieces(
    info: ObjectInfo, store: ObjectStore, spans: list[Range], limits: Limits
) -> Iterator[bytes]:
    """Ranges of a version in order; what can't be read because it is damaged is empty."""

    def read(start: int, behind: int) -> bytes:
        try:
            return store.read_range(
                info.name, start, behind - start, info.version, deadline_s=left_s(limits)
            )
        except (FileMissingError, IntegrityError):
            return b""

    return in_order((partial(read, *span) for span in spans), _N_CONNECTIONS, limits)


def _span(extents: Extents, group: list[int]) -> Range:
    """The bytes from the first extent of a group to the last."""
    first, last = extents[group[0]], extents[group[-1]]
    return int(first["start"]), int(last["start"]) + int(last["size"])


def _together(ranges: list[Range]) -> list[Range]:
    """Ranges in order, neighbours made one."""
    made: list[Range] = []
    for first, behind in ranges:
        if made and made[-1][1] == first:
            made[-1] = (made[-1][0], behind)
        else:
            made.append((first, behind))
    return made


def _rot(where: str, expected: str, got: str) -> Finding:
    """The finding for bytes that went bad in the store."""
    what = "Bytes of the copy are damaged"
    return Finding(REMOTE_COPY_MATCHES, "remote_damaged", what, where, expected, got, _CURE_ROT)


def _too_long(where: str, expected_bytes: int, got_bytes: int) -> Finding:
    """The finding for a copy that is not as long as the table of digests."""
    expected, got = f"{expected_bytes:,} bytes", f"{got_bytes:,} bytes"
    what = "The copy is another file: its size differs"
    return remote_finding("remote_differs", what, where, expected, got)

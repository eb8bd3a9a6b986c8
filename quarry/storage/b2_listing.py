"""Listing a bucket: versions, current objects, unfinished uploads and their parts."""

# b2sdk 2.13 has no complete types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from b2sdk.v3 import B2Session

from quarry.storage.b2_retry import patiently
from quarry.storage.limits import Limits
from quarry.storage.object_store import ObjectInfo, UnfinishedUpload

BLAKE3_KEY = "blake3"
SHA1_KEY = "large_file_sha1"
PAGE = 1000
_NO_SHA1 = "none"
_UNVERIFIED = "unverified:"

Entry = Mapping[str, Any]


def versions(
    session: B2Session, bucket_id: str, name: str, limits: Limits, page: int = PAGE
) -> Iterator[Entry]:
    """Entries of one name, newest first, hide markers included, unfinished uploads not."""
    for entry in _entries(session, bucket_id, name, limits, page):
        if entry["fileName"] != name:
            return
        if entry["action"] != "start":
            yield entry


def current(session: B2Session, bucket_id: str, name: str, limits: Limits) -> ObjectInfo | None:
    """The current version of a name; none if it is hidden or was never stored."""
    for entry in versions(session, bucket_id, name, limits, page=10):
        return as_info(entry) if entry["action"] == "upload" else None
    return None


def objects(
    session: B2Session, bucket_id: str, prefix: str, limits: Limits
) -> Iterator[ObjectInfo]:
    """Current versions under a prefix, by name."""
    seen: str | None = None
    for entry in _entries(session, bucket_id, prefix, limits, PAGE):
        if entry["fileName"] == seen or entry["action"] == "start":
            continue
        seen = entry["fileName"]
        if entry["action"] == "upload":
            yield as_info(entry)


def unfinished(
    session: B2Session, bucket_id: str, prefix: str, limits: Limits
) -> Iterator[tuple[UnfinishedUpload, Entry]]:
    """Large files that were started and not finished, with what the service says of them."""

    def page(start: Any) -> Any:
        return session.list_unfinished_large_files(bucket_id, start, 100, prefix or None)

    for entry in _pages(page, limits, "files", "nextFileId"):
        started_at = _time(entry)
        yield UnfinishedUpload(entry["fileName"], entry["fileId"], started_at), entry


def parts(session: B2Session, upload: str, limits: Limits) -> dict[int, tuple[int, str]]:
    """Size in bytes and SHA-1 of each part that an unfinished upload has, by number from 1."""

    def page(start: Any) -> Any:
        return session.list_parts(upload, start, PAGE)

    found = _pages(page, limits, "parts", "nextPartNumber")
    return {part["partNumber"]: (part["contentLength"], part["contentSha1"]) for part in found}


def as_info(entry: Entry) -> ObjectInfo:
    """The service's description of a file as ours."""
    info = cast("dict[str, str]", dict(entry.get("fileInfo") or {}))
    digest, large_sha1 = info.pop(BLAKE3_KEY, None), info.pop(SHA1_KEY, None)
    sha1 = str(entry.get("contentSha1") or _NO_SHA1).removeprefix(_UNVERIFIED)
    return ObjectInfo(
        name=entry["fileName"],
        version=entry["fileId"],
        size_bytes=int(entry["contentLength"]),
        blake3=digest,
        sha1=large_sha1 if sha1 == _NO_SHA1 else sha1,
        metadata=info,
        uploaded_at=_time(entry),
    )


def _time(entry: Entry) -> datetime:
    """When an upload was begun or finished."""
    return datetime.fromtimestamp(entry["uploadTimestamp"] / 1000, UTC)


def _entries(
    session: B2Session, bucket_id: str, prefix: str, limits: Limits, page: int
) -> Iterator[Entry]:
    """All entries under a prefix: by name, newest first within a name."""
    start: tuple[str | None, str | None] = (None, None)
    while True:
        answer = cast(
            "dict[str, Any]",
            patiently(
                lambda start=start: session.list_file_versions(
                    bucket_id, *start, page, prefix or None
                ),
                limits,
            ),
        )
        yield from answer["files"]
        start = (answer["nextFileName"], answer.get("nextFileId"))
        if start[0] is None:
            return


def _pages(
    page: Callable[[Any], Any], limits: Limits, items: str, following: str
) -> Iterator[Entry]:
    """Entries of a listing whose pages follow each other by one value."""
    start: Any = None
    while True:
        answer = patiently(lambda start=start: page(start), limits)
        yield from answer[items]
        start = answer[following]
        if start is None:
            return

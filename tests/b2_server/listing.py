"""The four listings, page by page.

The simulator's own have gaps: an unfinished upload hides the finished file of the same name, ids
must be numbers, and a full page always promises another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.b2_server.account import Bucket, File

DEFAULT_PAGE = 100
LARGEST_PAGE = {"files": 10_000, "parts": 1000, "unfinished": 100}


def all_versions(bucket: Bucket) -> list[File]:
    """Every version, marker and unfinished file: by name, newest first."""
    files: dict[Any, Any] = bucket.file_name_and_id_to_file
    return [files[key] for key in sorted(files)]


def current_files(bucket: Bucket) -> Iterator[File]:
    """The newest finished version of each name, unless it is a hide marker."""
    seen = None
    for file in all_versions(bucket):
        if file.action == "start" or file.name == seen:
            continue
        seen = file.name
        if file.action == "upload":
            yield file


def current_file(bucket: Bucket, name: str) -> File | None:
    """What a download by name gives."""
    return next((file for file in current_files(bucket) if file.name == name), None)


def page_size(asked: int | None, kind: str) -> int:
    return min(asked or DEFAULT_PAGE, LARGEST_PAGE[kind])


def list_file_names(
    bucket: Bucket, token: str, start: str | None, count: int | None, prefix: str | None
) -> dict[str, Any]:
    files = [
        file
        for file in current_files(bucket)
        if file.name >= (start or "") and file.name.startswith(prefix or "")
    ]
    size = page_size(count, "files")
    return {
        "files": [file.as_list_files_dict(token) for file in files[:size]],
        "nextFileName": files[size].name if len(files) > size else None,
    }


def list_file_versions(
    bucket: Bucket,
    token: str,
    start: tuple[str | None, str | None],
    count: int | None,
    prefix: str | None,
) -> dict[str, Any]:
    """`start` is a name and an id; the page begins with that very version."""
    first = (start[0] or "", start[1] or "")
    files = [
        file
        for file in all_versions(bucket)
        if file.sort_key() >= first and file.name.startswith(prefix or "")
    ]
    size = page_size(count, "files")
    after = files[size] if len(files) > size else None
    return {
        "files": [file.as_list_files_dict(token) for file in files[:size]],
        "nextFileName": after.name if after else None,
        "nextFileId": after.file_id if after else None,
    }


def list_unfinished(
    bucket: Bucket, token: str, start_id: str | None, count: int | None, prefix: str | None
) -> dict[str, Any]:
    files = [
        file
        for file in sorted(all_versions(bucket), key=lambda file: file.file_id)
        if file.action == "start"
        and file.file_id >= (start_id or "")
        and file.name.startswith(prefix or "")
    ]
    size = page_size(count, "unfinished")
    return {
        "files": [file.as_start_large_file_result(token) for file in files[:size]],
        "nextFileId": files[size].file_id if len(files) > size else None,
    }


def list_parts(file: File, start: int | None, count: int | None) -> dict[str, Any]:
    parts = [part for part in file.parts if part and part.part_number >= (start or 1)]
    size = page_size(count, "parts")
    return {
        "parts": [part.as_list_parts_dict() for part in parts[:size]],
        "nextPartNumber": parts[size].part_number if len(parts) > size else None,
    }

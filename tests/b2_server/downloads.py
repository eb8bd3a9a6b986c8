"""Bytes on their way out: by id, by name, whole or a range, with all headers of the service."""

from __future__ import annotations

import re
import time
from email.message import Message

from tests.b2_server.account import Account, Bucket, File
from tests.b2_server.answers import Answer
from tests.b2_server.listing import current_file
from tests.b2_server.refusals import Refusal, not_found

RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def download_by_id(
    account: Account, token: str | None, file_id: str, headers: Message[str, str]
) -> Answer:
    with account.lock:
        file = account.file(file_id)
        if file is None:
            account.authorise(token, "readFiles")
            raise not_found(file_id)
        check_reader(account, token, file.bucket, file.name)
        return file_answer(file, token, headers)


def download_by_name(
    account: Account, token: str | None, bucket_name: str, name: str, headers: Message[str, str]
) -> Answer:
    with account.lock:
        bucket = account.bucket_named(bucket_name)
        if bucket is None:
            raise not_found(bucket_name)
        check_reader(account, token, bucket, name)
        file = current_file(bucket, name)
        if file is None:
            raise not_found(name)
        return file_answer(file, token, headers)


def check_reader(account: Account, token: str | None, bucket: Bucket, name: str) -> None:
    """Public buckets are open; others want an account token or a download authorization.

    Raises:
        Refusal: 401.
    """
    if bucket.bucket_type == "allPublic":
        return
    ticket = account.download_tickets.get(token or "")
    if ticket is None:
        account.authorise(token, "readFiles", bucket.bucket_id, name)
    elif ticket.until_s <= time.time():
        raise Refusal(401, "expired_auth_token", "Authorization token has expired")
    elif ticket.bucket_id != bucket.bucket_id or not name.startswith(ticket.prefix):
        raise Refusal(401, "unauthorized", "unauthorized")


def file_answer(file: File, token: str | None, headers: Message[str, str]) -> Answer:
    """The file's bytes as a view, not a copy.

    Raises:
        Refusal: 404 for a hide marker or an unfinished file, 416 for a range outside of the file.
    """
    if file.action != "upload":
        raise not_found(file.file_id)
    size = len(file.data_bytes)
    span = wanted_range(headers.get("Range"), size)
    first, last = span or (0, size - 1)
    answer = dict(file.as_download_headers(None))
    answer["content-length"] = str(last - first + 1)
    answer["accept-ranges"] = "bytes"
    if span:
        answer["content-range"] = f"bytes {first}-{last}/{size}"
    body = memoryview(file.data_bytes)[first : last + 1]
    return Answer(206 if span else 200, body, answer)


def wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte asked for, cut at the end of the file; None for the whole file.

    Raises:
        Refusal: 416 where the range begins behind the end.
    """
    match = RANGE.fullmatch(header or "")
    if match is None or match.groups() == ("", ""):
        return None
    if not match[1]:
        first, last = max(0, size - int(match[2])), size - 1
    else:
        first = int(match[1])
        last = min(int(match[2]) if match[2] else size - 1, size - 1)
    if first > last:
        raise Refusal(416, "range_not_satisfiable", f"The range is outside of {size} bytes")
    return first, last

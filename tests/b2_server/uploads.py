"""Bytes on their way in: small files, parts, finishing, copies.

Bodies arrive as the `bytearray` that the connection read into and are kept as they are; only
finishing a large file copies, once. Reading the connection is not done here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from typing import Any
from urllib.parse import unquote_plus

from b2sdk._internal.raw_simulator import PartSimulator

from tests.b2_server.account import Account, Bucket, File, UploadTicket
from tests.b2_server.refusals import Refusal, no_active_upload

INFO_PREFIX = "x-bz-info-"
SHA1_DIGITS = 40


def issue_ticket(
    account: Account, token: str, bucket_id: str, file_id: str | None
) -> dict[str, Any]:
    """A fresh URL and token, for one upload at a time."""
    number = account.next_number()
    upload_token = f"upload_token_{number}"
    account.upload_tickets[upload_token] = UploadTicket(token, bucket_id, file_id)
    url = f"{account.API_URL}/upload/{'part' if file_id else 'file'}/{number}"
    target = {"fileId": file_id} if file_id else {"bucketId": bucket_id}
    return {**target, "uploadUrl": url, "authorizationToken": upload_token}


def ticket_of(account: Account, token: str | None) -> UploadTicket:
    """What an upload token is good for.

    Raises:
        Refusal: 401, where it is unknown or its account token has expired.
    """
    ticket = account.upload_tickets.get(token or "")
    if ticket is None:
        raise Refusal(401, "bad_auth_token", "Invalid authorization token")
    account.authorise(ticket.account_token, "writeFiles", ticket.bucket_id)
    return ticket


@contextmanager
def one_at_a_time(account: Account, token: str) -> Iterator[None]:
    """The service refuses two uploads at once with one upload token."""
    with account.lock:
        if token in account.tokens_in_use:
            message = f"more than one upload using auth token {token}"
            raise Refusal(400, "auth_token_limit", message)
        account.tokens_in_use.add(token)
    try:
        yield
    finally:
        with account.lock:
            account.tokens_in_use.discard(token)


def checked_sha1(claimed: str, data: bytearray, code: str) -> str:
    """The SHA-1 to store; takes the digits off the end of `data` where they came last.

    Raises:
        Refusal: 400 where the bytes have another SHA-1.
    """
    if claimed == "hex_digits_at_end":
        claimed = bytes(data[-SHA1_DIGITS:]).decode("latin-1")
        del data[-SHA1_DIGITS:]
    actual = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    if claimed == "do_not_verify":
        return f"unverified:{actual}"
    if claimed != actual:
        raise Refusal(400, code, "Sha1 did not match data received")
    return actual


def upload_file(
    account: Account, token: str, headers: Message[str, str], data: bytearray
) -> tuple[File, dict[str, Any]]:
    """Store a whole file in one request."""
    sha1 = checked_sha1(headers["X-Bz-Content-Sha1"], data, "bad_request")
    name = unquote_plus(headers["X-Bz-File-Name"])
    info = {
        key.lower().removeprefix(INFO_PREFIX): unquote_plus(value)
        for key, value in headers.items()
        if key.lower().startswith(INFO_PREFIX)
    }
    with account.lock:
        ticket = ticket_of(account, token)
        account.authorise(ticket.account_token, "writeFiles", ticket.bucket_id, name)
        bucket = account.bucket(ticket.bucket_id)
        file = new_file(bucket, name, headers["Content-Type"], info, data)
        file.content_sha1 = sha1
        file.upload_timestamp = int(
            headers.get("X-Bz-Custom-Upload-Timestamp") or file.upload_timestamp
        )
        return file, file.as_upload_result(ticket.account_token)


def new_file(
    bucket: Bucket, name: str, content_type: str, info: dict[str, str], data: bytearray
) -> File:
    """Add a finished version to the bucket, without its SHA-1."""
    file = File(
        bucket.account_id,
        bucket,
        bucket._next_file_id(),
        "upload",
        name,
        content_type,
        None,
        info,
        data,
        next(bucket.upload_timestamp_counter),
        server_side_encryption=bucket.default_server_side_encryption,
    )
    bucket.file_id_to_file[file.file_id] = file
    bucket.file_name_and_id_to_file[file.sort_key()] = file
    return file


def upload_part(
    account: Account, token: str, headers: Message[str, str], data: bytearray
) -> tuple[PartSimulator, dict[str, Any]]:
    """Store one part of a large file; a second upload of the same part replaces the first."""
    sha1 = checked_sha1(headers["X-Bz-Content-Sha1"], data, "bad_request")
    number = int(headers["X-Bz-Part-Number"])
    if not 1 <= number <= account.MAX_PART_ID:
        raise Refusal(400, "bad_request", "Part number must be in range 1 - 10000")
    with account.lock:
        file_id = ticket_of(account, token).file_id or ""
        file = account.file(file_id)
        if file is None or file.action != "start":
            raise no_active_upload(file_id)
        part = PartSimulator(file_id, number, len(data), sha1, data)
        file.add_part(number, part)
        return part, part.as_list_parts_dict()


def finish(file: File, sha1s: list[str], minimum_part_size_bytes: int) -> None:
    """Make the large file visible, if all parts are there and large enough.

    Raises:
        Refusal: 400 with the code of the service.
    """
    parts = {part.part_number: part for part in file.parts if part is not None}
    wanted = range(1, max(parts, default=0) + 1)
    if not parts or set(parts) != set(wanted) or len(sha1s) != len(parts):
        raise Refusal(400, "missing_part", "a part is missing or not listed")
    if [parts[number].content_sha1 for number in wanted] != sha1s:
        raise Refusal(400, "bad_request", "Sha1 of a part did not match the one uploaded")
    for number in wanted[:-1]:
        if parts[number].content_length < minimum_part_size_bytes:
            message = f"part number {number} is smaller than {minimum_part_size_bytes} bytes"
            raise Refusal(400, "bad_request", message)
    file.data_bytes = bytearray().join(parts[number].part_data for number in wanted)
    file.content_length = len(file.data_bytes)
    file.action = "upload"
    file.parts = []


def copy(account: Account, source: File, target: Bucket, body: dict[str, Any]) -> File:
    """A new version with the bytes of another, or a range of them."""
    data = bytearray(source.data_bytes)
    if body.get("range"):
        first, last = body["range"].removeprefix("bytes=").split("-")
        data = data[int(first) : int(last) + 1]
    replace = body.get("metadataDirective") == "REPLACE"
    content_type = body.get("contentType") if replace else source.content_type
    info = (body.get("fileInfo") or {}) if replace else dict(source.file_info)
    file = new_file(target, body["fileName"], content_type or source.content_type, info, data)
    file.content_sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    return file

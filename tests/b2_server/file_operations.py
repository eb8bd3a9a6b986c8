"""The JSON operations on files, by their names without `b2_`.

Each checks the token against the bucket and the name before it looks at anything, so a key learns
nothing about files outside of its prefix. Bytes travel through `uploads.py` and `downloads.py`.
The listings of v1 say `size` where later versions say `contentLength`.
"""

from __future__ import annotations

from tests.b2_server import listing, uploads
from tests.b2_server.account import Account, File
from tests.b2_server.account_operations import Fields, Operation, need
from tests.b2_server.refusals import Refusal, no_active_upload, not_found


def unfinished_file(account: Account, token: str, body: Fields, capability: str) -> File:
    """The large file in progress that `fileId` names.

    Raises:
        Refusal: 401, or 400 where no such upload is in progress.
    """
    file_id = need(body, "fileId")
    file = account.file(file_id)
    account.authorise(
        token, capability, file and file.bucket.bucket_id, file.name if file else None
    )
    if file is None or file.action != "start":
        raise no_active_upload(file_id)
    return file


def as_version(page: Fields, version: str) -> Fields:
    """A page of a listing, with the field's old name in v1."""
    if version == "v1":
        for entry in page["files"]:
            entry["size"] = entry.pop("contentLength")
    return page


def list_file_names(account: Account, token: str, body: Fields, version: str) -> Fields:
    bucket = account.bucket(need(body, "bucketId"))
    prefix = body.get("prefix")
    account.authorise(token, "listFiles", bucket.bucket_id, prefix or "")
    start, count = body.get("startFileName"), body.get("maxFileCount")
    return as_version(listing.list_file_names(bucket, token, start, count, prefix), version)


def list_file_versions(account: Account, token: str, body: Fields, version: str) -> Fields:
    bucket = account.bucket(need(body, "bucketId"))
    prefix = body.get("prefix")
    account.authorise(token, "listFiles", bucket.bucket_id, prefix or "")
    start = (body.get("startFileName"), body.get("startFileId"))
    count = body.get("maxFileCount")
    return as_version(listing.list_file_versions(bucket, token, start, count, prefix), version)


def list_unfinished_large_files(account: Account, token: str, body: Fields, version: str) -> Fields:
    bucket = account.bucket(need(body, "bucketId"))
    prefix = body.get("namePrefix")
    account.authorise(token, "listFiles", bucket.bucket_id, prefix or "")
    start, count = body.get("startFileId"), body.get("maxFileCount")
    return listing.list_unfinished(bucket, token, start, count, prefix)


def list_parts(account: Account, token: str, body: Fields, version: str) -> Fields:
    file = unfinished_file(account, token, body, "writeFiles")
    return listing.list_parts(file, body.get("startPartNumber"), body.get("maxPartCount"))


def get_file_info(account: Account, token: str, body: Fields, version: str) -> Fields:
    file = account.file(need(body, "fileId"))
    account.authorise(
        token, "readFiles", file and file.bucket.bucket_id, file.name if file else None
    )
    if file is None:
        raise not_found(body["fileId"])
    return file.as_upload_result(token)


def hide_file(account: Account, token: str, body: Fields, version: str) -> Fields:
    bucket, name = account.bucket(need(body, "bucketId")), need(body, "fileName")
    account.authorise(token, "writeFiles", bucket.bucket_id, name)
    if listing.current_file(bucket, name) is None:
        if any(file.name == name for file in bucket.file_id_to_file.values()):
            raise Refusal(400, "already_hidden", f"File already hidden: {name}")
        raise Refusal(400, "no_such_file", f"File not present: {name}")
    return bucket.hide_file(token, name)


def delete_file_version(account: Account, token: str, body: Fields, version: str) -> Fields:
    name, file_id = need(body, "fileName"), need(body, "fileId")
    file = account.file(file_id)
    account.authorise(token, "deleteFiles", file and file.bucket.bucket_id, name)
    if file is None or file.name != name:
        raise Refusal(400, "file_not_present", f"File not present: {name} {file_id}")
    return file.bucket.delete_file_version(token, file_id, name)


def copy_file(account: Account, token: str, body: Fields, version: str) -> Fields:
    """A copy on the server: whole or a range, with the source's or with new file info."""
    source, name = account.file(need(body, "sourceFileId")), need(body, "fileName")
    account.authorise(
        token, "readFiles", source and source.bucket.bucket_id, source.name if source else None
    )
    if source is None or source.action != "upload":
        raise not_found(body["sourceFileId"])
    target = account.bucket(body.get("destinationBucketId") or source.bucket.bucket_id)
    account.authorise(token, "writeFiles", target.bucket_id, name)
    return uploads.copy(account, source, target, body).as_upload_result(token)


def start_large_file(account: Account, token: str, body: Fields, version: str) -> Fields:
    bucket, name = account.bucket(need(body, "bucketId")), need(body, "fileName")
    account.authorise(token, "writeFiles", bucket.bucket_id, name)
    info = {key.lower(): value for key, value in (body.get("fileInfo") or {}).items()}
    timestamp_ms = body.get("custom_upload_timestamp")  # b2sdk 2.13.1 spells it so
    return bucket.start_large_file(
        token, name, need(body, "contentType"), info, custom_upload_timestamp=timestamp_ms
    )


def finish_large_file(account: Account, token: str, body: Fields, version: str) -> Fields:
    file = unfinished_file(account, token, body, "writeFiles")
    uploads.finish(file, need(body, "partSha1Array"), account.MIN_PART_SIZE)
    return file.as_upload_result(token)


def cancel_large_file(account: Account, token: str, body: Fields, version: str) -> Fields:
    file = unfinished_file(account, token, body, "writeFiles")
    return file.bucket.cancel_large_file(file.file_id)


def get_upload_url(account: Account, token: str, body: Fields, version: str) -> Fields:
    bucket = account.bucket(need(body, "bucketId"))
    account.authorise(token, "writeFiles", bucket.bucket_id)
    return uploads.issue_ticket(account, token, bucket.bucket_id, None)


def get_upload_part_url(account: Account, token: str, body: Fields, version: str) -> Fields:
    file = unfinished_file(account, token, body, "writeFiles")
    return uploads.issue_ticket(account, token, file.bucket.bucket_id, file.file_id)


FILE_OPERATIONS: dict[str, Operation] = {
    "list_file_names": list_file_names,
    "list_file_versions": list_file_versions,
    "list_unfinished_large_files": list_unfinished_large_files,
    "list_parts": list_parts,
    "get_file_info": get_file_info,
    "hide_file": hide_file,
    "delete_file_version": delete_file_version,
    "copy_file": copy_file,
    "start_large_file": start_large_file,
    "finish_large_file": finish_large_file,
    "cancel_large_file": cancel_large_file,
    "get_upload_url": get_upload_url,
    "get_upload_part_url": get_upload_part_url,
}

"""The errors of the service: a status, a code and a message, as b2sdk expects to read them.

What raises them belongs to the operations; how they travel belongs to `answers.py`.
"""

from __future__ import annotations

from b2sdk.v3.exception import (
    AccessDenied,
    B2Error,
    BadJson,
    BadRequest,
    BucketIdNotFound,
    DuplicateBucketName,
    NonExistentBucket,
    UnsatisfiableRange,
)


class Refusal(Exception):
    """An answer other than 200 or 206."""

    def __init__(self, status: int, code: str, message: str, retry_after_s: int | None = None):
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


def unauthorized() -> Refusal:
    """The key is valid but may not do this."""
    return Refusal(401, "unauthorized", "unauthorized")


def no_active_upload(file_id: str) -> Refusal:
    """The large file was finished, cancelled or never started."""
    return Refusal(400, "bad_request", f"No active upload for: {file_id}")


def not_found(what: str) -> Refusal:
    """The answer of downloads and b2_get_file_info."""
    return Refusal(404, "not_found", f"File with such name does not exist: {what}")


def from_simulator(error: B2Error) -> Refusal:
    """The answer that stands for an error which b2sdk's simulator raised.

    Raises:
        B2Error: the same error, where the service has no such answer.
    """
    if isinstance(error, DuplicateBucketName):
        return Refusal(400, "duplicate_bucket_name", "Bucket name is already in use.")
    if isinstance(error, NonExistentBucket | BucketIdNotFound):
        return Refusal(400, "bad_bucket_id", "Bucket does not exist")
    if isinstance(error, BadJson):
        return Refusal(400, "bad_json", str(error))
    if isinstance(error, AccessDenied):
        return Refusal(403, "access_denied", "Access denied")
    if isinstance(error, UnsatisfiableRange):
        return Refusal(416, "range_not_satisfiable", "The range is outside of the file")
    if isinstance(error, BadRequest):
        return Refusal(400, error.code, error.message)
    raise error

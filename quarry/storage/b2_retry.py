"""Which errors of B2 pass and which stay, and trying again within the caller's time.

After Backblaze's integration checklist: 408, 429, 5xx and broken connections pass; an expired token
is renewed; a cap, a missing permission or a malformed request stays, and ends the call at once.
"""

# b2sdk 2.13 has no complete types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import requests
from b2sdk._internal import exception as b2  # v3 leaves out some of those that it raises

from quarry.errors import StorageError, StorageRefusedError
from quarry.storage.b2_http import StoppedError, bounded_by
from quarry.storage.b2_secrecy import forget_locals
from quarry.storage.limits import Limits

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
MAX_TOKEN_RENEWALS = 5
MAX_CHECKSUM_FAILURES = 10
_CAP = "cap_exceeded"

T = TypeVar("T")

_BROKEN_CONNECTION = (
    b2.B2ConnectionError,
    b2.B2RequestTimeout,
    b2.BrokenPipe,
    b2.ConnectionReset,
    b2.UnknownHost,
)
_WRONG_IN_TRANSIT = (b2.ChecksumMismatch, b2.FileSha1Mismatch, b2.PartSha1Mismatch)
_UNCERTAIN = (
    *_BROKEN_CONNECTION,
    b2.ServiceError,
    b2.RequestTimeout,
    b2.BadRequest,
    b2.ResourceNotFound,
    b2.UnknownError,
)


def is_absent(error: b2.B2Error) -> bool:
    """Whether an error says that a file, or an id of one, does not exist."""
    bad_id = isinstance(error, b2.BadRequest) and "fileid" in str(error).lower()
    return isinstance(error, b2.ResourceNotFound) or bad_id


def first_cause(error: b2.B2Error) -> b2.B2Error:
    """What went wrong first, where b2sdk reports only that it gave up."""
    causes = getattr(error, "exception_info_list", None)
    if isinstance(error, b2.MaxRetriesExceeded) and causes:
        return first_cause(causes[0])
    return error


def tries_allowed(error: b2.B2Error) -> int | None:
    """How many more tries an error of its kind deserves in one call; none for no limit."""
    if is_refused_token(error):
        return MAX_TOKEN_RENEWALS
    if is_wrong_in_transit(error):
        return MAX_CHECKSUM_FAILURES
    passes = (
        error.should_retry_http()
        or isinstance(error, (*_BROKEN_CONNECTION, b2.BadUploadUrl, b2.UploadTokenUsedConcurrently))
        or (isinstance(error, b2.UnknownError) and _is_requests_error(error))
    )
    return None if passes else 0


def is_wrong_in_transit(error: b2.B2Error) -> bool:
    """Whether the service got other bytes than were sent, by the SHA-1 that went with them."""
    text = str(error).lower()
    says_so = isinstance(error, b2.BadRequest) and ("sha1" in text or "checksum" in text)
    return says_so or isinstance(error, _WRONG_IN_TRANSIT)


def is_refused_token(error: b2.B2Error) -> bool:
    """Whether a token was refused, which an expired one is, too."""
    return isinstance(error, b2.InvalidAuthToken)


def _is_requests_error(error: b2.B2Error) -> bool:
    """Whether b2sdk hid an error of the connection."""
    return isinstance(error.__context__, requests.RequestException)


def patiently(
    call: Callable[[], T],
    limits: Limits,
    *,
    settled: Callable[[], T | None] | None = None,
    stays: Callable[[b2.B2Error], bool] | None = None,
    absent_raises: bool = False,
) -> T:
    """Call B2 until it answers, refuses for good, or the caller's time is over.

    Args:
        call: one or more requests; safe to repeat.
        limits: the caller's.
        settled: asked after each failure whether the call took effect all the same, because its
            answer was lost; then this is the result.
        stays: says which errors end this call at once, though elsewhere they pass.
        absent_raises: let b2sdk's error through where nothing was found, see `is_absent`.

    Raises:
        b2.B2Error: with `absent_raises`.
        StorageRefusedError: the service refused for good.
        StorageError: bytes arrived wrongly time after time.
        StorageDeadlineError, StorageCancelledError: the limits.

    The frames of b2sdk that an error has passed keep no local variables, see `forget_locals`.
    """
    failures: Counter[type[b2.B2Error]] = Counter()
    pause_s = FIRST_PAUSE_S
    while True:
        limits.check()
        try:
            with bounded_by(limits):
                return call()
        except StoppedError as error:
            forget_locals(error)
            limits.check()
            raise
        except b2.B2Error as error:
            forget_locals(error)
            cause = first_cause(error)
            if absent_raises and is_absent(cause):
                raise
            limits.blame(cause)
            limits.check()
            if settled is not None and isinstance(cause, _UNCERTAIN):
                found = patiently(settled, limits)
                if found is not None:
                    return found
            failures[type(cause)] += 1
            _refuse_if_it_stays(cause, failures[type(cause)], stays, limits)
            asked_s = cause.retry_after_seconds
            if asked_s is None:
                limits.pause(pause_s * random.uniform(0.5, 1))
            else:
                limits.pause(max(0, asked_s), f"it asked for a pause of {asked_s:g} s")
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        except Exception as error:
            forget_locals(error)
            raise


def _refuse_if_it_stays(
    cause: b2.B2Error,
    n_failures: int,
    stays: Callable[[b2.B2Error], bool] | None,
    limits: Limits,
) -> None:
    """End the call where no more tries are allowed.

    Raises:
        StorageRefusedError: the service refused for good.
        StorageError: bytes arrived wrongly time after time.
    """
    allowed = 0 if stays is not None and stays(cause) else tries_allowed(cause)
    if allowed is not None and n_failures > allowed:
        raise _refused(cause, limits) from cause


def _refused(cause: b2.B2Error, limits: Limits) -> StorageError:
    """The error for what trying again can't change."""
    is_cap = isinstance(cause, b2.CapExceeded) or _CAP in str(cause)
    is_permission = isinstance(cause, b2.Unauthorized | b2.AccessDenied)
    if is_cap:
        fix = "raise the account's cap at Backblaze or wait until it is reset, then run it again"
    elif is_permission:
        fix = "use an application key for this bucket with listBuckets, listFiles, readFiles and "
        fix += "writeFiles (deleteFiles only for deleting), that has not expired"
    elif is_wrong_in_transit(cause):
        fix = "run it again; what differs is sent anew"
    else:
        fix = "see what the service says; trying again will not help"
    what = f"{limits.what} was refused"
    if is_cap:
        what += ": a cap of the account is exceeded"
    kind = StorageError if is_wrong_in_transit(cause) else StorageRefusedError
    return kind(
        what,
        where=limits.where,
        expected="an accepted request",
        got=f"{type(cause).__name__}: {cause}",
        fix=fix,
    )

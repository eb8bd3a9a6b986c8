"""Opens the object store that a setting names: a directory, or `b2://<bucket>`."""

from __future__ import annotations

from pathlib import Path

from quarry.errors import UsageError
from quarry.storage.b2_key import KEY_ID_VARIABLE, KEY_VARIABLE, B2Key
from quarry.storage.local import LocalStore
from quarry.storage.object_store import ObjectStore

B2_SCHEME = "b2://"


def is_b2(place: str) -> bool:
    """Whether a setting names a Backblaze B2 bucket."""
    return place.startswith(B2_SCHEME)


def open_store(
    place: str, lock_dir: Path, *, key: B2Key | None = None, realm: str = "production"
) -> ObjectStore:
    """The store; nothing is asked of it yet.

    Args:
        place: a directory, or `b2://<bucket>`.
        lock_dir: folder of the locks that keep two uploads of one object apart.
        key: the application key of a bucket.
        realm: `production`, or the URL of a server that speaks B2's native API.

    Raises:
        UsageError: the setting names no place, or the key of a bucket is missing.
    """
    if not is_b2(place):
        if not place or "://" in place:
            raise _unknown(place)
        return LocalStore(Path(place))
    bucket = place.removeprefix(B2_SCHEME).strip("/")
    if not bucket or "/" in bucket:
        raise _unknown(place)
    missing = (key or B2Key("", "")).missing
    if key is None or missing:
        raise UsageError(
            "An application key for the bucket is missing",
            where=place,
            expected=f"{KEY_ID_VARIABLE} and {KEY_VARIABLE}",
            got=f"{', '.join(missing)} not set",
            fix="make a key for this bucket alone, with listBuckets, listFiles, readFiles and "
            "writeFiles, and set both variables",
        )
    from quarry.storage.b2 import B2Store  # b2sdk loads with the first bucket that is opened
    from quarry.storage.b2_account import B2Account

    return B2Store(B2Account(key, bucket, realm=realm), lock_dir)


def _unknown(place: str) -> UsageError:
    """The error for a setting that names no place."""
    return UsageError(
        "An object store can't be opened",
        where="QUARRY_STORE",
        expected="a directory, or b2://<bucket>",
        got=repr(place),
        fix="correct the setting",
    )

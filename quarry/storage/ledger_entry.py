"""`LedgerEntry`: what is recorded of one copy, and whether it is good; kept in `ledger`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from quarry.errors import UsageError
from quarry.storage.object_store import ObjectInfo

State = Literal["kept", "missing", "damaged", "unproven"]
"""`kept`: there and proven; `missing`: not there any more, or another file is; `damaged`: it claims
the right digest and has other bytes; `unproven`: there, but its manifest or table is not."""


@dataclass(frozen=True)
class LedgerEntry:
    """What is recorded of one object.

    Args:
        store: the store, as `str(store)` names it.
        name: the object's name.
        version: the store's id of the version.
        blake3: digest of its bytes.
        size_bytes: its size.
        recorded_at: when it was proven, or condemned, in UTC.
        state: `kept`, or why it is condemned.
    """

    store: str
    name: str
    version: str
    blake3: str
    size_bytes: int
    recorded_at: datetime
    state: State = "kept"

    @classmethod
    def of(cls, store: object, info: ObjectInfo, state: State = "kept") -> LedgerEntry:
        """The entry of a version as it is now.

        Raises:
            UsageError: the object has no digest.
        """
        if info.blake3 is None:
            raise UsageError(
                "An object without a digest can't be recorded",
                where=f"{store}/{info.name}",
                expected="an object that `keep_copy` or `mirror` stored",
                got="one that another program put there",
                fix="store the published file under this name",
            )
        now = datetime.now(UTC)
        return cls(str(store), info.name, info.version, info.blake3, info.size_bytes, now, state)

    def describes(self, info: ObjectInfo | None) -> bool:
        """Whether a version of the store's listing is the one of this entry."""
        return info is not None and (self.version, self.blake3, self.size_bytes) == (
            info.version,
            info.blake3,
            info.size_bytes,
        )

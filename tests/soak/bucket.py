"""The test server's bucket as the rows use it: small parts, short pauses, bytes counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from blake3 import blake3

from quarry.storage import b2_http, b2_retry
from quarry.storage.b2 import B2Store
from quarry.storage.b2_account import B2Account, B2Key
from quarry.storage.mirror import RemoteCopy, mirror
from tests.b2_server import B2Server
from tests.soak.corpus import Specimen

PART_BYTES = 20_000
FIRST_PAUSE_S, LONGEST_PAUSE_S, READ_TIMEOUT_S = 0.01, 0.1, 0.4


def open_store(
    server: B2Server,
    lock_dir: Path,
    key: tuple[str, str] | None = None,
    bucket: str | None = None,
    part_bytes: int = PART_BYTES,
) -> B2Store:
    """A store that connects anew; by default with the account's master key."""
    account = B2Account(
        B2Key(*(key or (server.key_id, server.key))), bucket or server.bucket, realm=server.url
    )
    return B2Store(account, lock_dir, part_bytes=part_bytes, window_bytes=part_bytes)


@contextmanager
def short_patience() -> Iterator[None]:
    """Pauses and socket timeouts so short that a row of hundreds of faults takes minutes."""
    with (
        patch.object(b2_retry, "FIRST_PAUSE_S", FIRST_PAUSE_S),
        patch.object(b2_retry, "LONGEST_PAUSE_S", LONGEST_PAUSE_S),
        patch.object(b2_http, "READ_TIMEOUT_S", READ_TIMEOUT_S),
    ):
        yield


def unproven(server: B2Server) -> list[str]:
    """Visible objects whose bytes are not what their own digest says."""
    found = server.objects()
    return [
        f"{name} is visible with other bytes than its digest says"
        for name, stored in found.items()
        if blake3(server.content(name)).hexdigest() != stored.file_info.get("blake3")
    ]


class MirroredCopy(RemoteCopy):
    """A mirrored specimen as a good copy; the server counts the bytes that it sends.

    Args:
        server: the server.
        lock_dir: of the store.
        one: the specimen; mirrored if it is not there.
    """

    def __init__(self, server: B2Server, lock_dir: Path, one: Specimen) -> None:
        name = f"{one.name}/{one.path.name}"
        store = open_store(server, lock_dir, part_bytes=16 << 20)
        if name not in server.objects():
            mirror(one.path, name, store)
        super().__init__(store, name)
        self._server = server
        self._before = server.bytes_out

    @property
    def n_bytes(self) -> int:
        """Bytes of all answers since this copy was made: data, listings, authorisation."""
        return self._server.bytes_out - self._before

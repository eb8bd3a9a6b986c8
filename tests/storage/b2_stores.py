"""`B2Store`s on the test server, with small parts."""

from __future__ import annotations

from pathlib import Path

from quarry.storage.b2 import B2Store
from quarry.storage.b2_account import B2Account, B2Key
from tests.b2_server import B2Server

PART_BYTES = 5_000
N_PARTS = 12
LARGE_BYTES = N_PARTS * PART_BYTES - 100


def b2_store(
    server: B2Server, lock_dir: Path, key: tuple[str, str] | None = None, n_connections: int = 4
) -> B2Store:
    """A store with the account's master key, or another one."""
    account = B2Account(
        B2Key(*(key or (server.key_id, server.key))), server.bucket, realm=server.url
    )
    return B2Store(
        account,
        lock_dir,
        part_bytes=PART_BYTES,
        window_bytes=PART_BYTES,
        n_connections=n_connections,
    )

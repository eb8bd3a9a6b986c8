"""The jobs of row 9, done in processes that are killed: keep a copy, fetch or restore a file."""

from __future__ import annotations

from pathlib import Path

from quarry.repair import byte_repair
from quarry.repair.repairing import repair
from quarry.storage.b2 import B2Store
from quarry.storage.b2_account import B2Account, B2Key
from quarry.storage.keeping import keep_copy
from quarry.storage.ledger import Ledger
from quarry.storage.mirror import RemoteCopy
from tests.soak.forking import Job

PART_BYTES, N_CONNECTIONS = 20_000, 4
RANGE_BYTES = 32 << 10


def work(job: Job) -> None:
    """Do one job."""
    account = B2Account(B2Key(job["key_id"], job["key"]), job["bucket"], realm=job["url"])
    store = B2Store(
        account,
        Path(job["locks"]),
        part_bytes=PART_BYTES,
        window_bytes=PART_BYTES,
        n_connections=N_CONNECTIONS,
    )
    path, name = Path(job["path"]), job["name"]
    if job["kind"] == "keep":
        keep_copy(path, name, store, Ledger(Path(job["ledger"])))
    elif job["kind"] == "fetch":
        store.download(name, path, blake3=job["blake3"])
    else:
        # The file is small, and is to be fetched in several ranges all the same.
        byte_repair._MOST_BYTES_A_RANGE = RANGE_BYTES
        result = repair(path, RemoteCopy(store, name))
        assert result.is_whole, result.findings

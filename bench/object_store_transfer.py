"""One process of quarry that uploads or downloads what a plan names, for `object_store`.

    python bench/object_store_transfer.py up|down PLAN CONNECTIONS [--no-sync]

A plan is a JSON list of entries, with the digests that manifests hold. One file gets all
connections, several files get one each at a time. Key and server come from the environment.
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from object_store_server import BUCKET, PART_BYTES, Entry

from quarry.storage.b2 import B2Store
from quarry.storage.b2_account import B2Account, B2Key


def main() -> None:
    """Move the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("direction", choices=["up", "down"])
    parser.add_argument("plan", type=Path)
    parser.add_argument("connections", type=int)
    parser.add_argument("--no-sync", action="store_true")
    arguments = parser.parse_args()
    if arguments.no_sync:
        os.fsync = lambda descriptor: None
    key = B2Key(os.environ["BENCH_KEY_ID"], os.environ["BENCH_KEY"])
    account = B2Account(key, BUCKET, realm=os.environ["BENCH_URL"])
    plan: list[Entry] = json.loads(arguments.plan.read_text())
    store = B2Store(
        account,
        arguments.plan.parent / "locks",
        part_bytes=PART_BYTES,
        n_connections=arguments.connections if len(plan) == 1 else 1,
    )

    def move(entry: Entry) -> None:
        path, name, digest, _ = entry
        if arguments.direction == "up":
            store.put(Path(path), name, blake3=digest)
        else:
            store.download(name, Path(path), blake3=digest)

    if len(plan) == 1:
        move(plan[0])
        return
    with ThreadPoolExecutor(arguments.connections) as pool:
        list(pool.map(move, plan))


if __name__ == "__main__":
    main()

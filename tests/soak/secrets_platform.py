"""A small platform whose store is a bucket of the test server, opened by a canary key.

Cells are collected by a tiny engine, all else is the product: its definitions, jobs, sensors, IO
managers. Its instance takes the logs of every library at debug level. All that it and its processes
write lies below one directory, temporary files too.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import numpy as np
import yaml
from b2sdk._internal.raw_simulator import KeySimulator

from assets.partitions import build_grid
from definitions import Deployment, build_defs
from quarry.benchmarks.benchmark_set import from_frame
from quarry.catalog import load_catalog
from quarry.collection import collect, expected_file
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from quarry.storage import b2
from quarry.tables import read_table
from quarry.toy.mirror import write_toy_mirror
from quarry.trajectory.publication import publish
from sensors.launcher import Launcher
from tests.b2_server import B2Server
from tests.soak.bucket import short_patience
from tests.soak.collector import TinyEngine
from tests.soak.secrets_careless import careless_job
from tests.soak.secrets_search import Secrets

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("first", "second")
DEADLINE_S = 1.5
EVERY_RIGHT = ("listBuckets", "listFiles", "readFiles", "writeFiles", "deleteFiles")
KEY_ID, KEY = "QUARRY_B2_KEY_ID", "QUARRY_B2_KEY"


class SecretPlatform:
    """Server, files, instance and definitions of the row.

    Args:
        directory: an empty one.
        server: a running test server.
        seed: of the canaries.
    """

    def __init__(self, directory: Path, server: B2Server, seed: int) -> None:
        self.directory, self.server = directory, server
        self.home, self.data_dir = directory / "home", directory / "data"
        self.catalog_path = directory / "catalog.yaml"
        self._rng = np.random.default_rng([seed, 19])
        named = {"key": "key", "id": "id", "wrong key": "key", "wrong id": "id"}
        self._canaries = {name: self._canary(kind) for name, kind in named.items()}
        self.secrets = Secrets({**self._canaries, "token": "4_auth_token_"})
        self.plant("id", "key")

    def _canary(self, kind: str) -> str:
        """A secret with all that has to be quoted somewhere."""
        text = "".join(self._rng.choice(list("abcdefghijklmnopqrstuvwxyz0123456789"), 20))
        return f"0057{text}" if kind == "id" else f'K005"{text}/+%é='

    def plant(self, key_id: str, key: str, *, rights: tuple[str, ...] = EVERY_RIGHT) -> None:
        """Let the server know two canaries, named as in `_canaries`, as a key of its bucket."""
        account = self.server._account
        with account.lock:
            bucket = self.server._bucket
            account.key_id_to_key[self._canaries[key_id]] = KeySimulator(
                account.account_id if hasattr(account, "account_id") else self.server.key_id,
                "canary",
                self._canaries[key_id],
                self._canaries[key],
                list(rights),
                None,
                [{"id": bucket.bucket_id, "name": bucket.bucket_name}],
                None,
            )

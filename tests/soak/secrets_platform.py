"""A small platform whose store is a bucket of the test server, opened by a canary key.

Cells are collected by a tiny engine, all else is the product: its definitions, jobs, sensors, IO
managers. Its instance keeps what the libraries that see the key log at debug level. All that it and
its processes write lies below one directory, temporary files too.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import numpy as np
import yaml
from b2sdk._internal.raw_simulator import KeySimulator

from assets.check_state import partition_tags
from assets.partitions import build_grid
from definitions import Deployment, build_defs
from quarry.benchmarks.benchmark_set import from_frame
from quarry.catalog import load_catalog
from quarry.collection import collect, expected_file
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from quarry.storage import b2
from quarry.storage.b2_key import KEY_ID_VARIABLE, KEY_VARIABLE
from quarry.tables import read_table
from quarry.toy.mirror import write_toy_mirror
from quarry.trajectory.publication import publish
from sensors.jobs import INVENTORY, VERIFY, VERIFY_COPIES
from sensors.launcher import Launcher
from tests.b2_server import B2Server
from tests.soak.bucket import short_patience
from tests.soak.collector import TinyEngine
from tests.soak.secrets_careless import careless_job
from tests.soak.secrets_search import Secrets

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 1.5
RIGHTS = ("listBuckets", "listFiles", "readFiles", "writeFiles")
_FIRST_TOKEN = 7_000_000


class SecretPlatform:
    """Server, files, instance and definitions of the row.

    Args:
        directory: an empty one.
        server: a running test server.
        seed: of the canaries.
    """

    instance: dg.DagsterInstance
    cells: list[TrajectoryKey]

    def __init__(self, directory: Path, server: B2Server, seed: int) -> None:
        self.directory, self.server = directory, server
        self.home, self.data_dir = directory / "home", directory / "data"
        self.catalog_path = directory / "catalog.yaml"
        rng = np.random.default_rng([seed, 19])
        names = ("id", "key", "wrong id", "wrong key", "reader id", "reader key")
        self.canaries = {name: _canary(rng, is_id=name.endswith("id")) for name in names}
        self.secrets = Secrets({**self.canaries, "token": f"auth_token_{_FIRST_TOKEN}"[:-3]})
        server._account.auth_token_counter = _FIRST_TOKEN
        self._let_in("id", "key", RIGHTS)
        self._let_in("reader id", "reader key", RIGHTS[:3])
        self._write_settings()
        self._known = set[str]()
        self._definitions: dict[tuple[str, str], dg.Definitions] = {}

    @classmethod
    @contextmanager
    def open(cls, directory: Path, seed: int) -> Iterator[SecretPlatform]:
        """A platform with two cells that have their copies, and its environment."""
        (directory / "tmp").mkdir(parents=True)
        with B2Server() as server:
            made = cls(directory, server, seed)
            settings = {**made.environment("id", "key"), "TMPDIR": str(directory / "tmp")}
            with (
                patch.dict(os.environ, settings),
                patch.object(tempfile, "tempdir", None),
                short_patience(),
                dg.DagsterInstance.from_config(str(made.home)) as made.instance,
            ):
                with redirect_stderr(io.StringIO()):
                    made._fill()
                yield made

    def environment(self, key_id: str, key: str) -> dict[str, str]:
        """What a process of the platform finds, with two of the canaries as its key."""
        return {
            KEY_ID_VARIABLE: self.canaries[key_id],
            KEY_VARIABLE: self.canaries[key],
            "DAGSTER_HOME": str(self.home),
            "QUARRY_DEPLOYMENT": "local",
            "QUARRY_CATALOG": str(self.catalog_path),
            "QUARRY_DATA_DIR": str(self.data_dir),
            "QUARRY_DEVICE": "cpu",
            "QUARRY_STORE": f"b2://{self.server.bucket}",
            "QUARRY_B2_REALM": self.server.url,
        }

    def deployment(self, *, bucket: str = "", realm: str = "") -> Deployment:
        """The platform's deployment, or one with another bucket or another service."""
        return Deployment(
            self.catalog_path,
            self.data_dir,
            device="cpu",
            store=f"b2://{bucket or self.server.bucket}",
            realm=realm or self.server.url,
        )

    def run(
        self,
        job: str,
        *,
        succeeds: bool = True,
        config: Mapping[str, Any] | None = None,
        cell: int = 0,
        bucket: str = "",
        realm: str = "",
    ) -> str:
        """Run a job of a cell in this process; what a tool may show of how it ended.

        Args:
            job: its name.
            succeeds: whether it is meant to.
            config: run config.
            cell: number of the cell.
            bucket: another bucket.
            realm: another service.
        """
        definitions = self.definitions(bucket=bucket, realm=realm)
        job_def, partition = definitions.resolve_job_def(job), self.cells[cell].partition
        is_tagged = job in (VERIFY, VERIFY_COPIES)
        is_whole = is_tagged or job == INVENTORY or job_def.partitions_def is None
        try:
            with nullcontext() if succeeds else short_deadline():
                result = job_def.execute_in_process(
                    instance=self.instance,
                    run_config=dict(config or {}),
                    partition_key=None if is_whole else partition,
                    tags=partition_tags(partition) if is_tagged else None,
                )
        except Exception as error:
            if succeeds:
                raise AssertionError(f"{job} failed: {error}") from error
            return shown(error)
        failed = [
            one.check_name
            for one in result.get_asset_check_evaluations()
            if not one.passed and one.severity == dg.AssetCheckSeverity.ERROR
        ]
        assert succeeds == (not failed), f"{job}: failed checks {failed}"
        return repr(result.all_events)

    def definitions(self, *, bucket: str = "", realm: str = "") -> dg.Definitions:
        """The product's, with a careless job beside them; made once for each place."""
        if (bucket, realm) not in self._definitions:
            deployment = self.deployment(bucket=bucket, realm=realm)
            self._definitions[bucket, realm] = dg.Definitions.merge(
                build_defs(deployment), dg.Definitions(jobs=[careless_job()])
            )
        return self._definitions[bucket, realm]

    def found(self, said: str) -> list[str]:
        """New places that show a secret, and what was said, now that a case is over."""
        places = self.secrets.below(self.directory) | {
            f"what the store keeps of {one.name}: {what}"
            for one in self.server.versions()
            for what in self.secrets.in_text(repr(one))
        }
        new = sorted(places - self._known)
        self._known |= places
        return [*new, *(f"what was shown: {what}" for what in self.secrets.in_text(said))]

    def _let_in(self, key_id: str, key: str, rights: tuple[str, ...]) -> None:
        """Make two canaries a key of the bucket."""
        account, bucket = self.server._account, self.server._bucket
        with account.lock:
            account.key_id_to_key[self.canaries[key_id]] = KeySimulator(
                account_id=self.server.key_id,
                name="canary",
                application_key_id=self.canaries[key_id],
                key=self.canaries[key],
                capabilities=list(rights),
                expiration_timestamp_or_none=None,
                buckets_or_none=[{"id": bucket.bucket_id, "name": bucket.bucket_name}],
                name_prefix_or_none=None,
            )

    def _write_settings(self) -> None:
        """Catalog, benchmarks and the instance's settings."""
        mirror = self.directory / "mirror"
        write_toy_mirror(mirror, 0)
        model = {"path": str(self.directory / "model"), "prompt_style": "raw"}
        catalog = {
            "name": "secrets",
            "n_samples": 3,
            "shots": [0],
            "benchmark_source": {"kind": "mirror", "path": str(mirror)},
            "models": {"first": model, "second": model},
            "benchmarks": {"gsm8k": {"format": "gsm8k", "max_new_tokens": 6}},
            "capture": {"layers": [0, 1]},
        }
        self.catalog_path.write_text(yaml.safe_dump(catalog), encoding="utf-8")
        settings = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
        settings["python_logs"] = {
            "managed_python_loggers": ["b2sdk", "requests", "urllib3"],
            "python_log_level": "DEBUG",
        }
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def _fill(self) -> None:
        """Draw samples, collect the cells, label them, copy them."""
        catalog = load_catalog(self.catalog_path)
        self.cells = catalog.cells()
        self.files = DataDirectory(self.data_dir)
        launcher = Launcher(self.definitions(), build_grid(catalog), self.instance)
        assert all(outcome.is_success for outcome in launcher.samples())
        for number, key in enumerate(self.cells):
            samples = from_frame(read_table(self.files.path_of("benchmark_samples", key.benchmark)))
            with TinyEngine(number, self.directory / "calls") as engine:
                staged = collect(key, catalog, samples, engine, self.data_dir, log=_ignore)
            publish(staged, self.files.trajectory(key), expected=expected_file(catalog, key))
            self.run("relabel_cells", cell=number)
            self.run("copy_cells", cell=number)


@contextmanager
def short_deadline() -> Iterator[None]:
    """Give calls of a store that are meant to fail little time to do so."""
    with patch.object(b2, "DEFAULT_DEADLINE_S", DEADLINE_S):
        yield


def shown(error: BaseException) -> str:
    """All that a tool may show of an error: its causes, their attributes, locals of the frames."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    attributes = [repr(vars(one)) for one in _chain(error)]
    return "".join([*told.format(), *attributes])


def command(*arguments: str, status: int, **changes: str) -> str:
    """Run `quarry`, which is meant to end with a status; all that it printed."""
    quarry = str(Path(sys.executable).with_name("quarry"))
    done = subprocess.run(
        [quarry, *arguments],
        cwd=ROOT,
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, f"{done.returncode}: {done.stderr[-500:]}"
    return done.stdout + done.stderr


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from; errors may have come from each other."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _canary(rng: np.random.Generator, *, is_id: bool) -> str:
    """A secret with all that has to be quoted somewhere; ids are plain, as real ones are."""
    text = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz0123456789"), 20))
    return f"0057{text}" if is_id else f'K005"{text}/+%é='


def _ignore(line: str) -> None:
    """Say nothing."""

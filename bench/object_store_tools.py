"""The programs that `object_store` compares, and the commands that move a load with each.

All get the same key, server, number of connections and size of parts; what they keep goes into a
temporary folder. Running and measuring belong to `object_store`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3
from object_store_server import BUCKET, PART_BYTES, Entry, ServerProcess
from side_by_side import show

HERE = Path(__file__).resolve().parent
CONNECTIONS = 4
INSTALL_S = 300.0
BLOCK_BYTES = 1 << 20
CHUNK = f"{PART_BYTES >> 20}M"


@dataclass(frozen=True)
class Load:
    """Files to move.

    Args:
        folder: where they lie.
        entries: their paths in it, digests and sizes in bytes.
    """

    folder: Path
    entries: dict[str, tuple[str, int]]

    @property
    def is_single(self) -> bool:
        """Whether it is moved as one file, not as a folder."""
        return len(self.entries) == 1 and not self.folder.name.startswith("folder")

    @property
    def megabytes(self) -> float:
        """Its size in units of 10**6 bytes."""
        return sum(size for _, size in self.entries.values()) / 1e6

    def plan(self, prefix: str, folder: Path) -> list[Entry]:
        """Entries for files in a folder, and their names under a prefix."""
        return [
            (str(folder / path), f"{prefix}/{path}", digest, size)
            for path, (digest, size) in self.entries.items()
        ]


def random_load(folder: Path, sizes_bytes: list[int]) -> Load:
    """Files of random bytes; a name that begins with `folder` makes a folder even of one."""
    folder.mkdir()
    entries: dict[str, tuple[str, int]] = {}
    for index, size in enumerate(sizes_bytes):
        path, digest = f"{index:04d}.bin", blake3()
        source = random.Random(f"{folder.name} {index}")
        with (folder / path).open("wb") as file:
            for start in range(0, size, BLOCK_BYTES):
                block = source.randbytes(min(BLOCK_BYTES, size - start))
                file.write(block)
                digest.update(block)
        entries[path] = (digest.hexdigest(), size)
    return Load(folder, entries)


class Tool(ABC):
    """A way of moving files; `environment` is what its processes get on top.

    Args:
        server: where to and from.
        work: a folder for what it keeps.
    """

    name = ""
    program = ""

    def __init__(self, server: ServerProcess, work: Path) -> None:
        self.work = work / self.name.replace(" ", "-").replace(",", "")
        self.work.mkdir(exist_ok=True)
        home = str(self.work)
        secrets = {"BENCH_URL": server.url, "BENCH_KEY_ID": server.key_id, "BENCH_KEY": server.key}
        self.environment = {"HOME": home, "XDG_CONFIG_HOME": home, "NO_PROXY": "*", **secrets}

    def told(self, *arguments: str) -> str:
        """The first line that its program prints."""
        told = subprocess.run(
            [self.program, *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=environment_of(self),
        )
        return told.stdout.splitlines()[0]

    @abstractmethod
    def up(self, load: Load, prefix: str) -> list[str]:
        """The command that uploads a load."""

    @abstractmethod
    def down(self, load: Load, prefix: str, target: Path) -> list[str]:
        """The command that downloads it into a folder."""


class Planned(Tool):
    """A program of this folder that follows a plan."""

    options: tuple[str, ...] = ()

    def up(self, load: Load, prefix: str) -> list[str]:
        """The plan with the sources."""
        return self._command("up", load.plan(prefix, load.folder))

    def down(self, load: Load, prefix: str, target: Path) -> list[str]:
        """The plan with the targets."""
        return self._command("down", load.plan(prefix, target))

    def _command(self, direction: str, plan: list[Entry]) -> list[str]:
        path = self.work / "plan.json"
        path.write_text(json.dumps(plan))
        program = str(HERE / self.program)
        return [sys.executable, program, direction, str(path), str(CONNECTIONS), *self.options]


class Quarry(Planned):
    """`B2Store` as it is."""

    name = "quarry"
    program = "object_store_transfer.py"


class QuarryUnsynced(Quarry):
    """The same without its fsyncs, which the others don't make either."""

    name = "quarry, not synced"
    options = ("--no-sync",)


class Floor(Planned):
    """Plain sockets."""

    name = "floor (sockets)"
    program = "object_store_floor.py"


class B2Tool(Tool):
    """Backblaze's command-line tool, in a virtual environment of its own."""

    name = "b2"

    def __init__(self, server: ServerProcess, work: Path) -> None:
        super().__init__(server, work)
        self.environment |= {
            "B2_ACCOUNT_INFO": str(self.work / "account_info"),
            "B2_APPLICATION_KEY_ID": server.key_id,
            "B2_APPLICATION_KEY": server.key,
            "B2_ENVIRONMENT": server.url,
        }
        venv = self.work / "venv"
        install = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet", "b2"]
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=INSTALL_S)
        subprocess.run(install, check=True, capture_output=True, text=True, timeout=INSTALL_S)
        self.program = str(venv / "bin/b2")
        self.version = self.told("version")

    def up(self, load: Load, prefix: str) -> list[str]:
        """`file upload`, or `sync` for a folder."""
        n = str(CONNECTIONS)
        if not load.is_single:
            threads = ["--sync-threads", n, "--upload-threads", n]
            return self._sync(threads, str(load.folder), f"b2://{BUCKET}/{prefix}")
        (path,) = load.entries
        options = ["--no-progress", "--threads", n]
        source, name = str(load.folder / path), f"{prefix}/{path}"
        return [self.program, "file", "upload", *options, BUCKET, source, name]

    def down(self, load: Load, prefix: str, target: Path) -> list[str]:
        """`file download`, or `sync` for a folder."""
        n = str(CONNECTIONS)
        if not load.is_single:
            threads = ["--sync-threads", n, "--download-threads", n]
            return self._sync(threads, f"b2://{BUCKET}/{prefix}", str(target))
        (path,) = load.entries
        options = ["--no-progress", "--threads", n, "--max-download-streams-per-file", n]
        source = f"b2://{BUCKET}/{prefix}/{path}"
        return [self.program, "file", "download", *options, source, str(target / path)]

    def _sync(self, threads: list[str], source: str, target: str) -> list[str]:
        return [self.program, "sync", "--no-progress", *threads, source, target]


class Rclone(Tool):
    """rclone's b2 backend."""

    name = "rclone"

    def __init__(self, server: ServerProcess, work: Path) -> None:
        super().__init__(server, work)
        found = shutil.which("rclone")
        if found is None:
            raise FileNotFoundError("there is no rclone on PATH (apt-get install rclone)")
        self.program = found
        self.environment |= {
            "RCLONE_CONFIG": str(self.work / "rclone.conf"),
            "RCLONE_CONFIG_BENCH_TYPE": "b2",
            "RCLONE_CONFIG_BENCH_ACCOUNT": server.key_id,
            "RCLONE_CONFIG_BENCH_KEY": server.key,
            "RCLONE_CONFIG_BENCH_ENDPOINT": server.url,
        }
        self.version = self.told("version")

    def up(self, load: Load, prefix: str) -> list[str]:
        """`copyto`, or `copy` for a folder; transfers are connections, of parts too."""
        parts = ["--b2-upload-cutoff", CHUNK, "--b2-chunk-size", CHUNK]
        return self._copy(load, parts, str(load.folder), f"bench:{BUCKET}/{prefix}")

    def down(self, load: Load, prefix: str, target: Path) -> list[str]:
        """`copyto`, or `copy` for a folder."""
        streams = ["--multi-thread-streams", str(CONNECTIONS), "--multi-thread-cutoff", CHUNK]
        return self._copy(load, streams, f"bench:{BUCKET}/{prefix}", str(target))

    def _copy(self, load: Load, options: list[str], source: str, target: str) -> list[str]:
        threads = ["--transfers", str(CONNECTIONS), "--checkers", str(CONNECTIONS)]
        options = ["--quiet", *threads, *options]
        if not load.is_single:
            return [self.program, "copy", *options, source, target]
        (path,) = load.entries
        return [self.program, "copyto", *options, f"{source}/{path}", f"{target}/{path}"]


def available(server: ServerProcess, work: Path) -> list[Tool]:
    """The tools that can run here; why another can't is printed."""
    tools: list[Tool] = [Quarry(server, work), QuarryUnsynced(server, work), Floor(server, work)]
    for kind in (B2Tool, Rclone):
        try:
            tool = kind(server, work)
        except (OSError, subprocess.SubprocessError) as error:
            told = str(getattr(error, "stderr", None) or error).strip().splitlines()
            show(f"{kind.name} is left out: {told[-1] if told else error!r}")
            continue
        show(f"{tool.name}: {tool.version}")
        tools.append(tool)
    return tools


def environment_of(tool: Tool) -> dict[str, str]:
    """The environment of a tool's processes, without proxies and another tool's settings."""
    foreign = ("B2_", "RCLONE_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    return {**kept, **tool.environment}

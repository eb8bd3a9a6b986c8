"""Uploading and downloading with quarry, `b2` and rclone, against the same server in one run.

    python bench/object_store.py [--megabytes 512] [--repeats 5] [--json FILE]

The server is the tests' Backblaze B2 on loopback, in a process of its own; each way is a process of
its own, too, with the same key, four connections and parts of 16 MiB. In each round every way, in
another order, uploads a load, downloads what it uploaded, and the server is emptied. Four loads:
one large file, a folder of small ones, and for the start-up one byte as a file and as a folder.
`all` is from start to end of the process; `durable` adds an fsync of the files and their folder,
which finds nothing to do after quarry. A ratio says how many times as fast as quarry it was, the
start included, by the median over the rounds; MB/s are without the start. `b2` is installed into a
temporary folder, rclone is taken from PATH; either is left out, with the reason, where that fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from blake3 import blake3
from object_store_damage import try_damage
from object_store_server import ServerProcess
from object_store_tools import (
    BLOCK_BYTES,
    CONNECTIONS,
    Load,
    Tool,
    available,
    environment_of,
    random_load,
)
from side_by_side import show

N_SMALL, SMALL_BYTES = 200, 100_000
LIMIT_S = 600.0


@dataclass(frozen=True)
class Run:
    """What one process took.

    Args:
        taken_s: from its start to its end.
        durable_s: the same until its files were synced.
        client_cpu_s: its processor time.
        server_cpu_s: the server's meanwhile.
        peak_mb: its peak memory.
        n_requests: how many requests it made.
    """

    taken_s: float
    durable_s: float
    client_cpu_s: float
    server_cpu_s: float
    peak_mb: float
    n_requests: int


Runs = dict[tuple[str, str, str], list[Run]]
"""Runs by load, direction and tool."""


def run(tool: Tool, command: list[str], server: ServerProcess, target: Path | None) -> Run:
    """Run a command and measure it; what lies in the target folder is synced afterwards."""
    log = tool.work / "log"
    os.sync()
    requests, server_cpu_s = server.n_requests(), server.cpu_s()
    with log.open("wb") as output:
        started_s = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment_of(tool), stdout=output, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        ended_s = time.perf_counter()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    if target is not None:
        sync_all(target)
    return Run(
        taken_s=ended_s - started_s,
        durable_s=time.perf_counter() - started_s,
        client_cpu_s=used.ru_utime + used.ru_stime,
        server_cpu_s=server.cpu_s() - server_cpu_s,
        peak_mb=used.ru_maxrss / 1e3,
        n_requests=server.n_requests() - requests,
    )


def sync_all(folder: Path) -> None:
    """Make a folder of files durable."""
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def require_same(load: Load, target: Path, tool: Tool) -> None:
    """Stop where a download is not what was uploaded."""
    if tool.name.startswith("floor"):
        return
    for path, (digest, _) in load.entries.items():
        got = blake3()
        with (target / path).open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                got.update(block)
        if got.hexdigest() != digest:
            raise SystemExit(f"{tool.name} brought other bytes: {target / path}")


def measure(tools: list[Tool], loads: dict[str, Load], server: ServerProcess, repeats: int) -> Runs:
    """Every load with every tool in every round; a first round is not counted."""
    runs: Runs = {}
    for turn in range(repeats + 1):
        for name, load in loads.items():
            for tool in random.Random(turn).sample(tools, len(tools)):
                target = tool.work / "target"
                target.mkdir()
                up = run(tool, tool.up(load, f"{turn}"), server, None)
                down = run(tool, tool.down(load, f"{turn}", target), server, target)
                require_same(load, target, tool)
                server.empty()
                shutil.rmtree(target)
                if turn:
                    runs.setdefault((name, "upload", tool.name), []).append(up)
                    runs.setdefault((name, "download", tool.name), []).append(down)
    return runs


def table(runs: Runs, name: str, start: str, direction: str, load: Load, tools: list[Tool]) -> None:
    """Medians of one load in one direction."""
    show(f"\n{direction}: {name}, {load.megabytes:.0f} MB")
    heads = (
        "start s",
        "all s",
        "ratio",
        "durable s",
        "ratio",
        "MB/s",
        "CPU s",
        "server",
        "MB",
        "asked",
    )
    show(f"{'':<20}" + "".join(f"{head:>10}" for head in heads))
    ours = runs[name, direction, "quarry"]
    for tool in tools:
        own = runs[name, direction, tool.name]
        start_s = median(runs[start, direction, tool.name], "taken_s")
        all_s = median(own, "taken_s")
        cells = (
            f"{start_s:.2f}",
            f"{all_s:.2f}",
            f"{ratio(ours, own, 'taken_s'):.2f}",
            f"{median(own, 'durable_s'):.2f}",
            f"{ratio(ours, own, 'durable_s'):.2f}",
            f"{load.megabytes / max(all_s - start_s, 1e-3):.0f}",
            f"{median(own, 'client_cpu_s'):.2f}",
            f"{median(own, 'server_cpu_s'):.2f}",
            f"{median(own, 'peak_mb'):.0f}",
            f"{median(own, 'n_requests'):.0f}",
        )
        show(f"{tool.name:<20}" + "".join(f"{cell:>10}" for cell in cells))


def median(runs: list[Run], field: str) -> float:
    """The median of one figure."""
    return statistics.median(getattr(each, field) for each in runs)


def ratio(ours: list[Run], others: list[Run], field: str) -> float:
    """How many times as fast as ours, by the median over the rounds; above 1 is faster."""
    pairs = zip(ours, others, strict=True)
    return statistics.median(getattr(a, field) / getattr(b, field) for a, b in pairs)


def main() -> None:
    """Parse arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--tools", help="names, with `;` between them")
    parser.add_argument("--no-damage", action="store_true", help="leave out the table of damage")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ServerProcess() as server:
        work = Path(folder)
        loads = {
            "one large file": random_load(work / "large", [arguments.megabytes * 10**6]),
            "one byte": random_load(work / "byte", [1]),
            f"{N_SMALL} small files": random_load(work / "folder", [SMALL_BYTES] * N_SMALL),
            "one byte in a folder": random_load(work / "folder of one", [1]),
        }
        tools = available(server, work)
        if arguments.tools:
            tools = [tool for tool in tools if tool.name in arguments.tools.split(";")]
        show(f"{CONNECTIONS} connections, {os.cpu_count()} processors, {arguments.repeats} rounds")
        runs = measure(tools, loads, server, arguments.repeats)
        names = list(loads)
        for name, start in zip(names[::2], names[1::2], strict=True):
            for direction in ("upload", "download"):
                table(runs, name, start, direction, loads[name], tools)
        damage = [] if arguments.no_damage else try_damage(tools, work, server)
    if arguments.json:
        listed = [
            {"load": load, "direction": direction, "tool": tool, "runs": [asdict(r) for r in own]}
            for (load, direction, tool), own in runs.items()
        ]
        arguments.json.write_text(json.dumps({"runs": listed, "damage": damage}, indent=1))


if __name__ == "__main__":
    main()

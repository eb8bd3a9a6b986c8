"""What it costs, and what it saves, to make each sample durable while a file is being collected.

One run, two tables: `python bench/crash_safety.py [--samples 24] [--kills 30] [--seed 0]`. First
the cost of each way against a raw write + fsync of the same bytes, interleaved, medians, each after
a `sync`. Then each way is killed (SIGKILL) at moments drawn uniformly over its run, and what it
left is read back in a child with a deadline. States are drawn from a standard normal, so nothing
compresses. A kill is not a power cut: what is in the page cache survives it, so the second table
can't tell a way that syncs from one that doesn't. The ways themselves are in `crash_ways`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import crash_ways as ways
import h5py
import numpy as np

DEADLINE_S = 20.0
RAW = "raw write + fsync"
FORK = multiprocessing.get_context("fork")  # a child has the rows without copying them

WAYS: dict[str, tuple[Callable[..., None], Callable[..., ways.Back]]] = {
    "v110, no flush": (partial(ways.write_hdf5, flush=False), ways.read_hdf5),
    "default version + flush": (partial(ways.write_hdf5, libver=None), ways.read_hdf5),
    "v110 + flush": (ways.write_hdf5, ways.read_hdf5),
    "v110 + flush + fsync": (partial(ways.write_hdf5, syncs=True), ways.read_hdf5),
    "SWMR + flush": (partial(ways.write_hdf5, swmr=True), partial(ways.read_hdf5, swmr=True)),
    "spool, then HDF5": (ways.write_spool, ways.read_spool),
    "spool + fsync, then HDF5": (partial(ways.write_spool, syncs=True), ways.read_spool),
    "HDF5 + journal": (ways.write_journal, ways.read_journal),
    "HDF5 + journal + fsync": (partial(ways.write_journal, syncs=True), ways.read_journal),
}


class Child:
    """A forked child that says JSON values; it can be killed and is never waited for in vain."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self._ear, mouth = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=_run, args=(mouth, work, arguments))
        self.process.start()
        mouth.close()

    def hear(self, timeout_s: float) -> Any:
        """The next value; None if the child ended or said nothing in time."""
        try:
            return json.loads(self._ear.recv_bytes()) if self._ear.poll(timeout_s) else None
        except EOFError:
            return None

    def kill(self) -> Iterator[Any]:
        """Kill it, then everything that it had said."""
        self.process.kill()
        self.process.join()
        while (value := self.hear(0)) is not None:
            yield value
        self._ear.close()


def _run(mouth: Connection, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """The child's life; it says `ready` first."""

    def say(value: Any) -> None:
        mouth.send_bytes(json.dumps(value).encode())

    say("ready")
    work(*arguments, say)


# --- cost ----------------------------------------------------------------------------------------
def cost(write: Callable[..., None], folder: Path, rows: list[ways.Row], say: ways.Say) -> None:
    """Write all rows; say seconds, processor seconds, bytes written and growth of peak memory."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    busy, started = time.process_time(), time.perf_counter()
    write(folder, rows, lambda _: None)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    counters = Path("/proc/self/io").read_text().split()
    written = int(counters[counters.index("write_bytes:") + 1])
    megabytes = {"written": written / 1e6, "memory": (peak - resident) / 1e6}
    say({"s": seconds, "cpu_s": busy} | megabytes)


def measured(write: Callable[..., None], rows: list[ways.Row]) -> dict[str, float]:
    """One measurement in a fresh folder and a fresh child."""
    with tempfile.TemporaryDirectory() as folder:
        os.sync()
        child = Child(cost, write, Path(folder), rows)
        heard = [child.hear(300), child.hear(300)][1]
        list(child.kill())
    if heard is None:
        raise SystemExit("a way of writing failed; its error is above")
    return heard


def print_costs(rows: list[ways.Row], repeat: int) -> None:
    """The first table."""
    writes = {RAW: ways.write_raw} | {name: way[0] for name, way in WAYS.items()}
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in writes}
    for turn in range(repeat):
        # Another order each time, lest one way always comes after the same one.
        for name in random.Random(turn).sample(list(writes), len(writes)):
            measured(writes[name], rows)  # see side_by_side
            taken[name].append(measured(writes[name], rows))
    megabytes = sum(row.states.nbytes for row in rows) / 1e6
    print_line(f"{len(rows)} samples, {megabytes:.0f} MB of valid states, median of {repeat}")
    units = ("s", "CPU s", "MB/s", "of raw", "written MB", "memory MB")
    print_line(f"{'way':<26}" + "".join(f"{unit:>11}" for unit in units))
    for name, runs in taken.items():
        mid = {unit: statistics.median(one[unit] for one in runs) for unit in runs[0]}
        # Each against the raw write of its own round: the disk's speed drifts.
        ratio = statistics.median(
            r["s"] / one["s"] for r, one in zip(taken[RAW], runs, strict=True)
        )
        speeds = (
            f"{mid['s']:>11.2f}{mid['cpu_s']:>11.2f}{megabytes / mid['s']:>11.0f}{ratio:>11.2f}"
        )
        print_line(f"{name:<26}{speeds}{mid['written']:>11.0f}{mid['memory']:>11.1f}")


# --- what SWMR forbids ---------------------------------------------------------------------------
def write_in_swmr(path: Path, seen: Event, written: Event, say: ways.Say) -> None:
    """Do in SWMR mode what its documentation forbids, with a reader that was there before."""
    row = ways.make_rows(1, 64, 64, 0)[0]
    with ways.create(path, 40, ways.LIBVER) as file:
        file.attrs["old"] = 1
        file.swmr_mode = True
        say("open")
        seen.wait(DEADLINE_S)
        attempts: dict[str, Callable[[], object]] = {
            "rows with text": lambda: len([ways.write_row(file, n, row) for n in range(20)]),
            "new dataset": lambda: file.create_dataset("new", data=np.arange(5)),
            "new attribute": lambda: file.attrs.create("new", 2),
            "changed attribute": lambda: file.attrs.modify("old", 2),
        }
        say([f"  writing, {what}: {_tried(attempt)}" for what, attempt in attempts.items()])
        file.flush()
        written.set()
        time.sleep(DEADLINE_S)


def read_in_swmr(path: Path, seen: Event, written: Event, say: ways.Say) -> None:
    """What a reader that opened the file before the rows were there sees of them."""
    with h5py.File(path, "r", swmr=True) as file:
        columns: dict[str, Any] = {
            name: file[name] for name in ("lengths", "texts", "trajectories")
        }
        _ = [column[:1] for column in columns.values()]
        seen.set()
        written.wait(DEADLINE_S)
        for name, column in columns.items():
            refreshed = _tried(column.id.refresh)
            now = _tried(lambda c=column: str(np.ravel(c[19])[:1])[:24])
            say(f"  reading, {name}: refresh {refreshed}; last row {now}")
        say(f"  reading, new dataset: {_tried(lambda: file['new'][:].tolist())}")


def _tried(attempt: Callable[[], object]) -> str:
    """What an attempt gave, or how it was refused."""
    try:
        given = attempt()
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        return f"refused ({error})"
    return f"works, gives {given}" if isinstance(given, str | list) else "works"


def print_swmr() -> None:
    """What each side of SWMR could do."""
    print_line("\nSWMR, what its documentation forbids")
    with tempfile.TemporaryDirectory() as folder:
        path, events = Path(folder) / ways.DATA, (FORK.Event(), FORK.Event())
        writer = Child(write_in_swmr, path, *events)
        _ = [writer.hear(DEADLINE_S) for _ in range(2)]
        reader = Child(read_in_swmr, path, *events)
        reader.hear(DEADLINE_S)
        for line in [
            *(writer.hear(DEADLINE_S) or []),
            *iter(lambda: reader.hear(DEADLINE_S), None),
        ]:
            print_line(line)
        _ = list(reader.kill()), list(writer.kill())


# --- kills ---------------------------------------------------------------------------------------
def examine(
    folder: Path, read: Callable[..., ways.Back], rows: list[ways.Row], say: ways.Say
) -> None:
    """Say how plain HDF5 takes the file, then each row that comes back and whether it is right."""
    try:
        with h5py.File(folder / ways.DATA) as file:
            say("silent" if np.count_nonzero(file["lengths"][:]) < len(rows) else "whole")
    except FileNotFoundError:
        say("absent")
    except (OSError, KeyError):
        say("refused")
    try:
        for index, row in read(folder):
            expected = rows[index]
            is_right = row.text == expected.text and np.array_equal(row.states, expected.states)
            say([index, bool(is_right)])
    except (OSError, KeyError, RuntimeError, IndexError):
        say("torn")
    say("end")


def kill_once(name: str, rows: list[ways.Row], delay_s: float) -> Counter[str]:
    """Kill a writer and count what became of its rows; empty if it had finished before."""
    write, read = WAYS[name]
    with tempfile.TemporaryDirectory() as folder:
        child = Child(write, Path(folder), rows)
        child.hear(DEADLINE_S)
        time.sleep(delay_s)
        is_running = child.process.is_alive()
        committed = set(child.kill())
        if not is_running:
            return Counter()
        reader = Child(examine, Path(folder), read, rows)
        said = [reader.hear(DEADLINE_S)]
        while said[-1] not in ("end", None):
            said.append(reader.hear(DEADLINE_S))
        is_hanging = said[-1] is None and reader.process.is_alive()
        list(reader.kill())
    back = {one[0]: one[1] for one in said if isinstance(one, list)}
    kinds = Counter(one for one in said if isinstance(one, str) and one not in ("ready", "end"))
    right = {index for index, is_right in back.items() if is_right}
    return kinds + Counter(
        kills=1,
        hangs=int(is_hanging),
        crashes=int(said[-1] is None and not is_hanging),
        committed=len(committed),
        recovered=len(right & committed),
        beyond=len(right - committed),
        wrong=len(back) - len(right),
    )


def print_kills(rows: list[ways.Row], n_kills: int, seed: int) -> None:
    """The second table."""
    columns = "silent refused absent whole torn hangs crashes committed recovered beyond wrong"
    megabytes = sum(row.states.nbytes for row in rows) / 1e6
    print_line(
        f"\n{n_kills} kills of each way, {len(rows)} rows of {megabytes:.0f} MB, seed {seed}"
    )
    print_line(f"{'way':<26}" + "".join(f"{column:>11}" for column in columns.split()))
    for name, (write, _) in WAYS.items():
        rng = np.random.default_rng(seed)
        duration_s = measured(write, rows)["s"]
        total: Counter[str] = Counter()
        for _ in range(3 * n_kills):
            if total["kills"] < n_kills:
                total += kill_once(name, rows, rng.uniform(0, duration_s))
        print_line(f"{name:<26}" + "".join(f"{total[column]:>11}" for column in columns.split()))


def print_line(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Parse arguments and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print_costs(
        ways.make_rows(arguments.samples, 200, ways.MAX_TOKENS, arguments.seed), arguments.repeat
    )
    print_swmr()
    # Short rows: more boundaries between rows to be killed at, and less to read back.
    print_kills(ways.make_rows(24, 24, 96, arguments.seed), arguments.kills, arguments.seed)


if __name__ == "__main__":
    main()

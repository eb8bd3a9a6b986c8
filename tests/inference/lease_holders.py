"""Processes that hold leases, and what a test of leases asks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from quarry.errors import DeviceBusyError
from quarry.inference.devices import Device, cpu
from quarry.inference.lease import Lease, LeaseState, take_lease
from quarry.inference.lease_file import Holder
from tests.live_processes import kill

CPU = cpu()
GPUS = tuple(Device(f"cuda:{n}", f"GPU-{n}", "NVIDIA H200") for n in range(3))

TAKE = """
import json, os, subprocess, sys, time
from pathlib import Path
from quarry.inference.devices import Device
from quarry.inference.lease import take_lease
from quarry.inference.lease_file import Holder

folder, keys, n, mode = Path(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3]), sys.argv[4]
devices = [Device(key, key) for key in keys]
lease = take_lease(devices, n, folder, holder=Holder.me("a test", "run-1"), wait_s=60, log=print)
child = 0
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
if mode == "heir":
    child = subprocess.Popen(sleeper, pass_fds=lease.fds).pid
if mode == "stranger":
    child = subprocess.Popen(sleeper, close_fds=False).pid
if mode in ("fork", "releasing fork"):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if mode == "releasing fork":
            lease.release()
        os.write(writing, b"x")
        time.sleep(600)
    os.read(reading, 1)
print(json.dumps({"child": child, "names": lease.names}), flush=True)
if mode == "pause":
    sys.stdin.readline()
    lease.release()
time.sleep(600)
"""


@contextmanager
def holding(
    folder: Path, keys: str = "cpu", n: int = 1, mode: str = "alone"
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that holds a lease, and the child that it started."""
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE, str(folder), keys, str(n), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = 0
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("{"))
        child = int(json.loads(line)["child"])
        yield process, child
    finally:
        kill(process.pid, *([child] if child else []))
        process.communicate()


def take(folder: Path, *devices: Device, n: int = 1, wait_s: float = 0.0) -> Lease:
    return take_lease(
        devices or (CPU,), n, folder, holder=Holder.me(), wait_s=wait_s, log=lambda _: None
    )


def is_free(folder: Path, device: Device = CPU) -> bool:
    with suppress(DeviceBusyError), take(folder, device):
        return True
    return False


def only(states: list[LeaseState]) -> LeaseState:
    [state] = states
    return state

"""The watch of hostile programs sees what they must not do: here it is done without any sandbox."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from tests.grading.hostile_watch import Watch
from tests.live_processes import descendants, kill


@pytest.fixture
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """Planted things; their directory's path is short enough for a socket."""
    with Watch(tmp_path_factory.mktemp("w")) as planted:
        yield planted


def _leave_process(planted: Mapping[str, str]) -> None:
    subprocess.run(["sh", "-c", "sleep 30 >/dev/null 2>&1 &"], check=True)


def _leave_shared_memory(planted: Mapping[str, str]) -> int:
    return ctypes.CDLL(None).shmget(int(planted["KEY"]), 100, 0o1600)


def _connect(family: int, kind: int, address: Any) -> None:
    with socket.socket(family, kind) as peer:
        peer.connect(address)
        if kind == socket.SOCK_DGRAM:
            peer.send(b"x")


ATTACKS: dict[str, tuple[str, Callable[[Mapping[str, str]], object]]] = {
    "content": ("file canary", lambda planted: Path(planted["FILE"]).write_text("changed")),
    "mode": ("file canary", lambda planted: Path(planted["FILE"]).chmod(0o777)),
    "attribute": (
        "file canary",
        lambda planted: os.setxattr(planted["FILE"], "user.canary", b"1"),
    ),
    "new file": ("files outside", lambda planted: Path(planted["DIR"], "new").touch()),
    "temporary file": ("left", lambda planted: tempfile.mkdtemp()),
    "shared file": ("left /dev/shm", lambda planted: Path("/dev/shm", planted["IPC"]).touch()),
    "shared memory": ("System V", _leave_shared_memory),
    "TCP": (
        "TCP was reached",
        lambda planted: _connect(socket.AF_INET, 1, ("127.0.0.1", int(planted["TCP"]))),
    ),
    "UDP": (
        "UDP was reached",
        lambda planted: _connect(socket.AF_INET, 2, ("127.0.0.1", int(planted["UDP"]))),
    ),
    "socket": (
        "file system was reached",
        lambda planted: _connect(socket.AF_UNIX, 1, f"{planted['DIR']}/listening"),
    ),
    "abstract": (
        "abstract socket was reached",
        lambda planted: _connect(socket.AF_UNIX, 1, f"\0{planted['IPC']}"),
    ),
    "killed": ("victim", lambda planted: os.kill(int(planted["VICTIM"]), 9)),
    "stopped": ("victim", lambda planted: os.kill(int(planted["VICTIM"]), 19)),
    "priority": ("victim", lambda planted: os.setpriority(0, int(planted["VICTIM"]), 19)),
    "descriptor": ("descriptors", lambda planted: os.open(planted["FILE"], os.O_RDONLY)),
    "process": ("left process", _leave_process),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_the_watch_sees_what_was_done(name: str, watch: Watch) -> None:
    """A watch that sees nothing would let every program through."""
    assert watch.side_effects() == []
    said, attack = ATTACKS[name]
    before = set(descendants(os.getpid()))
    left = attack(watch.planted)
    try:
        time.sleep(0.05)
        assert any(said in effect for effect in watch.side_effects())
    finally:
        kill(*(set(descendants(os.getpid())) - before))
        Path("/dev/shm", watch.planted["IPC"]).unlink(missing_ok=True)
        if name == "descriptor":
            os.close(cast(int, left))
        if name == "shared memory":
            ctypes.CDLL(None).shmctl(cast(int, left), 0, None)

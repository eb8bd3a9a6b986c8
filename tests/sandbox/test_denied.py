"""What no program may do in a layer that confines, each tried for real, with canaries outside."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.boxes import Box, file_facts

OUTSIDE = {
    "read": "open(CANARY).read()",
    "write": "open(CANARY, 'w').write('changed')",
    "append": "os.open(CANARY, os.O_WRONLY | os.O_APPEND)",
    "write beside": "open(CANARY + '.new', 'w')",
    "write through a link": "os.symlink(CANARY, 'link'); open('link', 'a').write('changed')",
    "write by ..": "open('../' * 40 + CANARY[1:], 'a')",
    "hard link": "os.link(CANARY, 'mine'); open('mine', 'a').write('changed')",
    "rename": "os.rename(CANARY, 'mine')",
    "remove": "os.remove(CANARY)",
    "truncate": "os.truncate(CANARY, 0)",
    "truncate its own by a path": "open('own', 'w').close(); os.truncate('own', 0)",
    "truncate while reading": "import json; os.open(json.__file__, os.O_RDONLY | os.O_TRUNC)",
    "chown": "os.chown(CANARY, 1, 1)",
    "xattr": "os.setxattr(CANARY, 'user.mark', b'1')",
    "list": "os.listdir(os.path.dirname(CANARY))",
    "make a directory": "os.mkdir(CANARY + '.d')",
    "make a device": "os.mknod('device', 0o20666, os.makedev(1, 1))",
    "change the interpreter": "import json; open(json.__file__, 'a')",
    "change the package directory": "import sys; open(sys.path[-1] + '/sitecustomize.py', 'w')",
    "look at processes": "os.listdir('/proc')",
    "read another's environment": "open(f'/proc/{os.getppid()}/environ', 'rb').read()",
    "read passwords": "open('/etc/passwd').read()",
    "shared memory": "open('/dev/shm/quarry-canary-' + str(PORT), 'w')",
    "connect by TCP": "socket.create_connection(('127.0.0.1', PORT), 2)",
    "send by UDP": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))",
    "listen": "socket.socket().bind(('127.0.0.1', 0))",
    "connect to a socket file": "socket.socket(socket.AF_UNIX).connect(SOCKET)",
    "connect to an abstract socket": "socket.socket(socket.AF_UNIX).connect(ABSTRACT)",
    "send from a pair": "socket.socketpair()[0].sendto(b'x', SOCKET)",
    "datagram pair": "socket.socketpair(type=socket.SOCK_DGRAM)",
    "fork": "os.fork() or os._exit(0)",
    "spawn": "os.posix_spawn('/bin/sh', ['sh', '-c', 'echo > ' + CANARY], {})",
    "execute": "os.execv(sys.executable, [sys.executable, '-c', 'pass'])",
    "a process of the library": "import subprocess; subprocess.run([sys.executable, '-V'])",
    "multiprocessing": "import multiprocessing as m; m.get_context('fork').Process().start()",
    "signal the parent": "os.kill(os.getppid() or 1, 0)",
    "signal everybody": "os.kill(-1, 0)",
    "signal the group": "os.kill(0, 0)",
    "signal the test": "os.kill(TEST_PID, 0)",
    "own session": "os.setsid()",
    "higher limits": "import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1))",
    "another's limits": "import resource as r; r.prlimit(os.getppid() or 1, r.RLIMIT_CORE)",
    "more descriptors": "[os.dup(0) for _ in range(70)]",
    "another user": "os.setuid(1 + os.getuid())",
    "own root": "os.chroot('.')",
}


PRETENDED = {
    "chmod": "os.chmod(CANARY, 0o777)",
    "set-user-id": "open('own', 'w').close(); os.chmod('own', 0o4755)",
    "utime": "os.utime(CANARY, (1, 1))",
}


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A file, a port, and sockets that no program may reach, and what came to them."""
    directory = tmp_path_factory.mktemp("outside")
    canary = directory / "canary"
    canary.write_text("untouched")
    arrived: list[str] = []
    tcp = socket.create_server(("127.0.0.1", 0))
    port = tcp.getsockname()[1]
    udp = socket.socket(type=socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", port))
    listeners = {"tcp": tcp, "udp": udp}
    abstract = f"\0quarry-test-{os.getpid()}"
    # the name of a socket file must be short
    names = {"file": f"/tmp/quarry-test-{os.getpid()}.sock", "abstract": abstract}
    for name, address in names.items():
        listeners[name] = socket.socket(socket.AF_UNIX)
        listeners[name].bind(address)
        listeners[name].listen()
    facts: dict[str, Any] = {
        "CANARY": str(canary),
        "PORT": port,
        "SOCKET": names["file"],
        "ABSTRACT": abstract,
        "TEST_PID": os.getpid(),
    }

    def watch(name: str, listener: socket.socket) -> None:
        try:
            listener.accept() if name != "udp" else listener.recv(1)
            arrived.append(name)
        except OSError:
            return

    for name, listener in listeners.items():
        listener.settimeout(60)
        threading.Thread(target=watch, args=(name, listener), daemon=True).start()
    before = file_facts(canary)
    yield facts
    for listener in listeners.values():
        listener.close()
    Path(names["file"]).unlink()
    assert file_facts(canary) == before
    assert [path.name for path in directory.iterdir()] == ["canary"]
    assert arrived == []


def attempt(action: str, names: dict[str, Any]) -> str:
    """A program that reports None if `action` was denied."""
    return f"""
import os, socket, sys
globals().update({names!r})
try:
    {action}
except (OSError, ValueError) as error:
    report = None
else:
    report = "went through"
"""


@pytest.mark.parametrize("name", OUTSIDE)
def test_nothing_outside_is_within_reach(confined_box: Box, outside: dict[str, Any], name: str):
    program = attempt(OUTSIDE[name], outside)
    if (name, confined_box.layer) == ("shared memory", "strict"):
        confined_box.run(program)  # in a directory of its own, gone with the program
        assert not list(Path("/dev/shm").glob("quarry-canary-*"))
        return
    assert confined_box.run(program) is None


@pytest.mark.parametrize("name", PRETENDED)
def test_modes_and_times_stay_though_a_program_hears_of_success(
    confined_box: Box, outside: dict[str, Any], name: str
):
    program = attempt(PRETENDED[name], outside)
    program += "report = [os.stat(name).st_mode & 0o7000 for name in os.listdir('.')]"
    assert confined_box.run(program) == [0] * (name == "set-user-id")


def test_no_capability_is_left(confined_box: Box):
    program = """
import ctypes
libc = ctypes.CDLL(None)
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
data = (ctypes.c_uint32 * 6)()
report = [libc.capget(header, data), list(data)]
"""
    assert confined_box.run(program) == [0, [0] * 6]


def test_a_program_sees_no_environment_but_the_fixed_one(
    confined_box: Box, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("QUARRY_TEST_SECRET", "canary")
    fresh = Box(confined_box.layer)
    try:
        found = fresh.run("import os; report = dict(os.environ)")
    finally:
        fresh.zygote.close()
    assert "canary" not in str(found)
    assert set(found) <= {
        *("HOME", "LANG", "MALLOC_ARENA_MAX", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH"),
        *("PWD", "PYTHONHASHSEED", "TMPDIR", "TZ", "LD_LIBRARY_PATH"),
    }


def test_only_the_channel_is_open(confined_box: Box):
    program = """
import os
report = []
for fd in range(64):
    try:
        os.fstat(fd)
        report.append(fd)
    except OSError:
        pass
"""
    assert confined_box.run(program) == [0, 1, 2, 3]


def test_a_program_is_nobody_in_a_box_of_its_own(confined_box: Box):
    user, effective, _ = confined_box.run("import os; report = os.getresuid()")
    if confined_box.layer == "strict":
        assert (user, effective) == (65534, 65534)
    elif os.geteuid() == 0:
        assert user == 65534  # whose threads are counted, which root's are not


def test_threads_are_bounded_also_with_small_stacks(confined_box: Box):
    program = """
import threading, time
threading.stack_size(32768)
report = 0
try:
    while report < 30000:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        report += 1
except RuntimeError:
    pass
"""
    running = int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])
    assert 64 <= confined_box.run(program) <= running + 1000

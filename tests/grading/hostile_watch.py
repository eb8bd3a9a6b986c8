"""What hostile programs may reach for, planted around them, and what became of it.

A `Watch` plants a file, secrets, listening sockets and a process to be harmed; `side_effects` says
in words what was changed, reached or left. Processes that outlive their parents come back to this
one, so that all that was started here is seen. Which programs run is in `hostile_suite`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import hashlib
import os
import resource
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import quarry
from tests.live_processes import descendants

PATIENCE_S = 2.0
"""How long a process may live on after the last grade."""

_CHILD_SUBREAPER = 36  # prctl
_LIBC = ctypes.CDLL(None)
_COMMON_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/", "/root", "/home")
_LIBRARY_PLACES = ("/usr/lib", "/usr/local/lib", "/lib", "/etc", "/usr/bin")
_LIBRARY = Path(os.__file__).parent
_PLANTED_NAMES = ("sitecustomize.py", "usercustomize.py", "careful.py")


class Watch:
    """Planted things, while it is entered.

    Args:
        directory: an empty directory with a short path, for all of them.

    Attributes:
        planted: what stands for the words between @ in hostile programs.
    """

    def __init__(self, directory: Path) -> None:
        self._outside = directory / "outside"
        self._temporary = directory / "temporary"
        self._token = f"quarry-canary-{secrets.token_hex(8)}"
        self._key = secrets.randbelow(1 << 30) + 1
        self._stack = contextlib.ExitStack()
        self.planted: dict[str, str] = {}

    def __enter__(self) -> Watch:
        """Plant everything."""
        gc.collect()  # what other tests left open in cycles must not be closed while this one looks
        self._outside.mkdir()
        self._temporary.mkdir()
        for name in ("canary", "secret"):
            (self._outside / name).write_text(f"canary {self._token}")
        (self._outside / "canary_module.py").write_text("seen = True\n")
        self._victim = self._stack.enter_context(_victim(self._token))
        self._listening = self._listen()
        self._stack.enter_context(_settings(self._temporary, self._token))
        self.planted = {
            "FILE": str(self._outside / "canary"),
            "SECRET": str(self._outside / "secret"),
            "DIR": str(self._outside),
            "PACKAGE": str(Path(quarry.__file__).parent),
            "TCP": str(self._listening["TCP"].getsockname()[1]),
            "UDP": str(self._listening["UDP"].getsockname()[1]),
            "VICTIM": str(self._victim.pid),
            "GRADER": str(os.getpid()),
            "IPC": self._token,
            "KEY": str(self._key),
        }
        self._children = set(descendants(os.getpid()))
        self._code_before = _code_of_others()
        self._before = self._state()
        return self

    def __exit__(self, *_: object) -> None:
        """Take everything away."""
        self._stack.close()

    def side_effects(self) -> list[str]:
        """What programs did, in words; call it once all of them are graded."""
        found = [f"left process {line}" for line in self._left_processes()]
        after = self._state()
        for what, before in self._before.items():
            if after[what] != before:
                found.append(f"{what} changed from {before} to {after[what]}"[:500])
        found += [f"{name} was reached" for name, one in self._listening.items() if _reached(one)]
        found += [f"left {path}" for path in self._left_files()]
        found += [f"left {what}" for what in self._left_objects()]
        return found

    def _state(self) -> dict[str, object]:
        """All that must stay as it is."""
        return {
            **{f"file {path.name}": _marks(path) for path in self._outside.iterdir()},
            "files outside": sorted(path.name for path in self._outside.iterdir()),
            "directory outside": _marks(self._outside),
            "victim": _process_state(self._victim.pid),
            "grader": _process_state(os.getpid()),
            "grader's descriptors": sorted(_descriptors()),
            "grader's directory": str(Path.cwd()),
            "grader's limits": [resource.getrlimit(kind) for kind in range(16)],
            "grader's signals": [str(signal.getsignal(n)) for n in (1, 2, 10, 12, 14, 15, 17)],
            "name of the machine": os.uname().nodename,
        }

    def _listen(self) -> dict[str, socket.socket]:
        """Sockets at which nobody may call."""
        addresses: dict[str, tuple[int, int, Any]] = {
            "TCP": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "UDP": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "socket in the file system": (
                socket.AF_UNIX,
                socket.SOCK_STREAM,
                str(self._outside / "listening"),
            ),
            "abstract socket": (socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self._token}"),
        }
        made: dict[str, socket.socket] = {}
        for name, (family, kind, address) in addresses.items():
            one = self._stack.enter_context(socket.socket(family, kind))
            one.bind(address)
            if kind == socket.SOCK_STREAM:
                one.listen()
            one.setblocking(False)
            made[name] = one
        return made

    def _left_processes(self) -> list[str]:
        """Command lines of what was started since and lives after `PATIENCE_S`."""
        deadline = time.monotonic() + PATIENCE_S
        while left := self._living():
            if time.monotonic() > deadline:
                return [line for pid in left if (line := _command_line(pid))]
            time.sleep(0.02)
        return []

    def _living(self) -> list[int]:
        """Descendants that run; those that ended and came back to this process are reaped."""
        new = [pid for pid in descendants(os.getpid()) if pid not in self._children]
        for pid in new:
            with contextlib.suppress(OSError):
                if _process_state(pid).get("state") == "Z":
                    os.waitpid(pid, os.WNOHANG)
        return [pid for pid in new if _process_state(pid).get("state", "Z") != "Z"]

    def _left_files(self) -> Iterator[str]:
        """What lies where nothing may lie."""
        yield from (str(path) for path in self._temporary.iterdir())
        yield from sorted(_code_of_others() - self._code_before)
        package = Path(self.planted["PACKAGE"])
        inside = (package / "sandbox/inside", package / "grading/examiner")
        caches = [place / "__pycache__" for place in (package, _LIBRARY, *inside)]
        places = (package, _LIBRARY, *caches, *map(Path, _COMMON_PLACES + _LIBRARY_PLACES))
        for place in places:
            with contextlib.suppress(OSError):
                yield from (str(path) for path in place.iterdir() if self._token in path.name)

    def _left_objects(self) -> Iterator[str]:
        """What outlives processes without being a file."""
        for kind in ("shm", "sem", "msg"):
            rows = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]
            if any(int(row.split()[0]) == self._key for row in rows):
                yield f"a System V object of kind {kind}"
        if _LIBC.mq_unlink(f"/{self._token}".encode()) == 0:
            yield "a POSIX message queue"


@contextlib.contextmanager
def _victim(secret: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a secret in its environment, to be left alone."""
    command = ["sleep", "3600"]
    with subprocess.Popen(command, env={"CANARY": f"canary {secret}"}) as process:
        try:
            while _command_line(process.pid) != "sleep 3600":
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def _settings(temporary: Path, secret: str) -> Iterator[None]:
    """A place for temporary files, a secret in the environment; orphans come to this process."""
    kept = {name: os.environ.get(name) for name in ("TMPDIR", "CANARY")}
    os.environ.update(TMPDIR=str(temporary), CANARY=f"canary {secret}")
    kept_directory, tempfile.tempdir = tempfile.tempdir, None
    _LIBC.prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        _LIBC.prctl(_CHILD_SUBREAPER, 0, 0, 0, 0)
        tempfile.tempdir = kept_directory
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _code_of_others() -> set[str]:
    """Files that an interpreter would run of its own accord, where programs may want to put one."""
    package = Path(quarry.__file__).parent
    places = (package, package.parent, _LIBRARY, *map(Path, _COMMON_PLACES))
    paths = (str(place / name) for place in places for name in _PLANTED_NAMES)
    return {path for path in paths if os.path.lexists(path)}


def _reached(one: socket.socket) -> bool:
    """Whether somebody called or sent something."""
    try:
        if one.type == socket.SOCK_DGRAM:
            one.recv(100)
        else:
            one.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _marks(path: Path) -> dict[str, object]:
    """Everything about a file that a program could change."""
    stat = path.lstat()
    names = ("st_mode", "st_uid", "st_gid", "st_nlink", "st_size", "st_mtime_ns", "st_ctime_ns")
    marks: dict[str, object] = {name: getattr(stat, name) for name in names}
    if path.is_file():
        marks["content"] = hashlib.sha256(path.read_bytes()).hexdigest()
        marks["attributes"] = os.listxattr(path)
    return marks


def _process_state(pid: int) -> dict[str, str]:
    """State, priority, processors, signals and limits of a process; empty where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        limits = Path(f"/proc/{pid}/limits").read_text()
        killer = Path(f"/proc/{pid}/oom_score_adj").read_text()
    except OSError:
        return {}
    # a process that works is running at one moment and sleeping at the next
    state = "S" if stat[0] in "RSD" else stat[0]
    kept = {name: status.get(name, "") for name in ("Cpus_allowed", "ShdPnd", "SigIgn", "Uid")}
    return {"state": state, "nice": stat[16], "limits": limits, "killer": killer, **kept}


def _descriptors() -> set[str]:
    """Open descriptors and what they lead to."""
    found: set[str] = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  the listing itself opens one
        with contextlib.suppress(OSError):
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")  # noqa: PTH115
    return found


def _command_line(pid: int) -> str:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return line.replace(b"\0", b" ").decode(errors="replace").strip()[:200]

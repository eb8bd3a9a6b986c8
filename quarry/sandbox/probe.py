"""Tries a layer on this machine: starts it and lets a program do what must be denied.

Detection by behaviour: a version, a file or a flag says too little (a container may forbid
namespaces, a kernel may claim what it does not enforce). What follows from it is `layers.py`'s.
"""

from __future__ import annotations

import contextlib
import json
import math
import socket
import tempfile
from pathlib import Path

from quarry.sandbox import bubblewrap
from quarry.sandbox.inside.zygote_client import Zygote, ZygoteLostError
from quarry.sandbox.limits import Limits
from quarry.sandbox.start import Layer, zygote_command

_PATIENCE_S = 10.0
_REPLY_BYTES = 1 << 16

_HONEST = """
import decimal, json, math, os, tempfile, threading

def threads():
    one = threading.Thread(target=lambda: None)
    one.start()
    one.join()

def files():
    with tempfile.TemporaryFile("w+") as file:
        file.write("text")
    with open("own", "w") as file:
        file.write("text")
    os.remove("own")

def imports():
    import colorsys, mmap  # one in Python and one in C that nobody has imported before

must_work = {"threads": threads, "own files": files, "the standard library": imports}
"""

_HOSTILE = """
import os, signal, socket

def read():
    open(SECRET).read()

def write():
    open(SECRET + ".new", "w").close()

def processes():
    if os.fork() == 0:
        os._exit(0)

def execute():
    try:
        os.execv("/no/such/program", ["program"])
    except FileNotFoundError:
        return  # it was looked for

def signals():
    os.kill(os.getppid() or 1, 0)

def network():
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(("127.0.0.1", 9))

def sockets():
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

def shared_memory():
    import ctypes
    if ctypes.CDLL(None).shmget(0, 4096, 0o1600) >= 0:
        return
    raise OSError

must_fail = {
    "reading a file of another": read,
    "writing beside it": write,
    "starting a process": processes,
    "executing a file": execute,
    "sending signals": signals,
    "connecting": network,
    "making a socket": sockets,
    "making shared memory": shared_memory,
}
"""

_REPORT = """
try:
    os.chmod(SECRET, 0o777)
except OSError:
    pass
report = []
for name, attempt in must_work.items():
    try:
        attempt()
    except BaseException as error:
        report.append(f"{name}: {error!r}, though a program may")
for name, attempt in must_fail.items():
    try:
        attempt()
    except (OSError, AttributeError):
        continue
    report.append(f"{name} was not denied")
"""


def objection(layer: Layer) -> str | None:
    """Why a layer can't be used on this machine; None where it does what it should.

    Raises:
        SandboxUnavailableError: there is no interpreter to be started.
    """
    if layer == "strict" and not bubblewrap.path():
        return "bubblewrap (the command bwrap) is not installed"
    with tempfile.TemporaryDirectory(prefix="quarry-probe-") as directory:
        secret = Path(directory) / "secret"
        secret.write_text("not for programs")
        mode = secret.stat().st_mode
        hostile = "must_fail = {}" if layer == "unconfined" else _HOSTILE
        program = f"SECRET = {str(secret)!r}\n{_HONEST}\n{hostile}\n{_REPORT}"
        try:
            found = _report(layer, program)
        except (ZygoteLostError, OSError, ValueError) as error:
            return str(error) or type(error).__name__
        if layer != "unconfined" and secret.stat().st_mode != mode:
            found.append("changing a file's mode was not denied")
        return "; ".join(found) or None


def _report(layer: Layer, program: str) -> list[str]:
    """What the program says, run in a zygote of its own."""
    limits = Limits()
    command = zygote_command(layer, "quarry.sandbox.inside.probe_worker")
    ours, theirs = socket.socketpair()
    with ours, theirs, Zygote(command.arguments, command.environment) as zygote:
        zygote.start(1, worker_limits(limits), theirs.fileno())
        theirs.close()
        ours.settimeout(_PATIENCE_S)
        reply = b""
        with contextlib.suppress(ConnectionError):  # it may be refused before it reads
            ours.sendall(program.encode())
            ours.shutdown(socket.SHUT_WR)
            reply = ours.makefile("rb").read(_REPLY_BYTES)
        zygote.next_message(_PATIENCE_S)
        ended = zygote.next_message(_PATIENCE_S)
    if not reply:
        raise ValueError(ended["refused"] or f"the probe ended with exit code {ended['exit_code']}")
    answer = json.loads(reply)
    return answer["report"] if "report" in answer else [answer["error"]]


def worker_limits(limits: Limits) -> dict[str, int]:
    """The limits as a zygote's `start` message has them."""
    return {
        "cpu_s": math.ceil(limits.timeout_s),
        "memory_bytes": limits.memory_bytes,
        "output_bytes": limits.output_bytes,
    }

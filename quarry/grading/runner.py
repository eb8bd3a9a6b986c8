"""The program that runs one candidate with its tests: a process of its own, never imported.

It is started by path with the standard library alone, reads one JSON job from standard input, and
reports on a private pipe, with the job's nonce, after the tests returned. Exit codes and anything
printed mean nothing. Starting, limiting and killing it from outside lives in
`quarry.grading.process`.

What it does not do: candidate and tests share this process, so a program that hunts for the
tests' data in memory can cheat, and the audit hook stops accidents, not attacks.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import traceback
import types
from typing import Any

_MOST_CHARACTERS = 300
_DENIED_EVENTS = (
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.exec",
    "os.system",
    "os.kill",
    "os.killpg",
    "pty.spawn",
    "subprocess.Popen",
    "signal.pthread_kill",
    "socket.connect",
    "socket.bind",
    "socket.sendto",
    "socket.sendmsg",
    "socket.getaddrinfo",
)
_CHANGING_EVENTS = (
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "os.utime",
    "shutil.rmtree",
    "shutil.move",
)


def main() -> None:
    """Run the job of standard input and report on the file descriptor of the first argument."""
    descriptor = int(sys.argv[1])
    job: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    os.set_inheritable(descriptor, False)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    report = _reporter(descriptor, job.pop("nonce"))
    sys.path.extend(job["paths"])
    _limit(job)
    report({"state": "started"})
    sys.addaudithook(_audit_hook(os.path.realpath(os.getcwd())))  # noqa: PTH109
    report(_outcome(job))
    os._exit(0)  # no atexit handler, thread or __del__ has a say any more


def _reporter(descriptor: int, nonce: str) -> Any:
    """A function that writes one report; it holds on to what a candidate could replace."""
    write, encode = os.write, json.JSONEncoder().encode

    def report(content: dict[str, Any]) -> None:
        write(descriptor, f"\n{encode({'nonce': nonce, **content})}\n".encode())

    return report


def _limit(job: dict[str, Any]) -> None:
    """Bound CPU, memory, file size and open files; end with the deadline even if orphaned."""
    cpu_s: int = job["cpu_s"]
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_AS, job["memory_bytes"], job["memory_bytes"]),
        (resource.RLIMIT_FSIZE, job["output_bytes"], job["output_bytes"]),
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        resource.setrlimit(kind, (soft, hard))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a full file is an OSError for the candidate
    signal.alarm(job["wall_s"] + 1)


def _audit_hook(directory: str) -> Any:
    """A hook that denies processes, sockets, signals and changes outside of `directory`.

    It denies to read what `/proc` says of other processes, too: the one that grades has keys in its
    environment, and what a program raises is kept as evidence.
    """
    denied, changing = frozenset(_DENIED_EVENTS), frozenset(_CHANGING_EVENTS)
    realpath, fsdecode = os.path.realpath, os.fsdecode
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    inside = (directory, os.devnull)
    own = f"/proc/{os.getpid()}"

    def check_path(event: str, path: Any) -> None:
        if not isinstance(path, int) and path is not None:
            real = realpath(fsdecode(path))
            if real not in inside and not real.startswith(directory + "/"):
                raise PermissionError(f"{event} outside of the program's directory")

    def check_process(path: Any) -> None:
        if not isinstance(path, int) and path is not None:
            real = realpath(fsdecode(path))
            is_foreign = real[:6] == "/proc/" and real[6:7].isdigit()
            if is_foreign and real != own and not real.startswith(own + "/"):
                raise PermissionError("another process is not available to graded programs")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in denied or (event == "ctypes.dlopen" and arguments[0] is not None):
            raise PermissionError(f"{event} is not available to graded programs")
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & writing:
            check_path(event, arguments[0])
        elif event == "open":
            check_process(arguments[0])
        elif event in changing:
            for argument in arguments[:2]:
                check_path(event, argument)

    return hook


def _outcome(job: dict[str, Any]) -> dict[str, Any]:
    """Run program and tests in one namespace, as the official harness does."""
    module = types.ModuleType("program")
    sys.modules["program"] = module  # dataclasses and typing look a class's module up
    phase, index = "program", 0
    try:
        exec(compile(job["program"], "<program>", "exec", dont_inherit=True), module.__dict__)
        phase = "tests"
        for index, test in enumerate(job["tests"]):
            code = compile(test, f"<test {index}>", "exec", dont_inherit=True)
            exec(code, module.__dict__)
    except BaseException as error:  # noqa: BLE001  whatever a candidate raises is its outcome
        return {"state": "failed", "phase": phase, "test_index": index, **_described(error, job)}
    return {"state": "passed"}


def _described(error: BaseException, job: dict[str, Any]) -> dict[str, Any]:
    """Exception type, message, and the lines of test and program that it passed through last."""
    try:
        message = str(error)[:_MOST_CHARACTERS]
    except BaseException:  # noqa: BLE001  a hostile __str__
        message = "(the exception's message can't be shown)"
    described: dict[str, Any] = {"exception": type(error).__name__[:100], "message": message}
    for frame, number in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if name.startswith("<test "):
            source: str = job["tests"][int(name[6:-1])]
            described["failing_test"] = _line(source, number)
        elif name == "<program>":
            described["program_line"] = f"{number}: {_line(job['program'], number)}"
    return described


def _line(source: str, number: int) -> str:
    lines = source.splitlines()
    return lines[number - 1].strip()[:_MOST_CHARACTERS] if 0 < number <= len(lines) else ""


if __name__ == "__main__":
    main()

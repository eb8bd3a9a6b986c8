"""What each program of `object_store` notices: damage on the way, in the store, in the source.

For a download a file is stored, damaged and brought over a good older file; what counts is what
lies at the target afterwards and how the program ended. For an upload the source changes meanwhile;
what counts is whether there is an object.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from object_store_server import ServerProcess
from object_store_tools import Load, Tool, environment_of, random_load
from side_by_side import show

LARGE_BYTES = 160_000_000
SMALL_BYTES = 100_000
LIMIT_S = 90.0
POLL_S = 0.002
OLD = b"an older file\n"

DOWNLOADS: dict[str, Callable[[ServerProcess], None]] = {
    "a bit flips in the store": lambda server: server.rot(),
    "a bit flips on the way, once": lambda server: server.fault("corrupt_on_wire"),
    "the body ends early, once": lambda server: server.fault("truncated_body"),
    "the connection breaks, once": lambda server: server.fault("reset_in_download"),
}


def try_damage(tools: list[Tool], work: Path, server: ServerProcess) -> list[dict[str, str]]:
    """Print what happens, case by case; gives the same as a list."""
    tools = [tool for tool in tools if tool.name in ("quarry", "b2", "rclone")]
    large = random_load(work / "damaged", [LARGE_BYTES])
    loads = {"large": large, "small": random_load(work / "damaged small", [SMALL_BYTES])}
    found: list[dict[str, str]] = []
    for case, spoil in DOWNLOADS.items():
        for size, load in loads.items():
            outcomes = {tool.name: download(tool, load, server, spoil) for tool in tools}
            found.append({"case": f"{case} ({size} file)", **outcomes})
    outcomes = {tool.name: upload_changing(tool, large, server) for tool in tools}
    found.append({"case": "the source changes during its upload", **outcomes})
    show("\nwhat is noticed, and what is left")
    for each in found:
        show(each["case"])
        for tool in tools:
            show(f"    {tool.name:<10}{each[tool.name]}")
    return found


def download(
    tool: Tool, load: Load, server: ServerProcess, spoil: Callable[[ServerProcess], None]
) -> str:
    """Store, spoil, download over an older file."""
    (path,) = load.entries
    target = tool.work / "damaged"
    target.mkdir(exist_ok=True)
    (target / path).write_bytes(OLD)
    run(tool, tool.up(load, "damaged"))
    spoil(server)
    is_good_end = run(tool, tool.down(load, "damaged", target))
    server.empty()
    if not (target / path).exists():
        return f"{ending(is_good_end)}, the older file is gone"
    got = (target / path).read_bytes()
    if got == OLD:
        return f"{ending(is_good_end)}, the older file is kept"
    right = got == (load.folder / path).read_bytes()
    return f"{ending(is_good_end)}, {'the right bytes' if right else 'WRONG BYTES at the target'}"


def upload_changing(tool: Tool, load: Load, server: ServerProcess) -> str:
    """Change the last byte of a file when its first part is on the way."""
    (path,) = load.entries
    source, before = load.folder / path, server.n_parts()
    good = source.read_bytes()
    process = start(tool, tool.up(load, "changing"))
    while server.n_parts() == before and process.poll() is None:
        time.sleep(POLL_S)
    with source.open("rb+") as file:
        file.seek(-1, 2)
        file.write(bytes([good[-1] ^ 1]))
    is_good_end = ended(process)
    n_objects = server.n_objects()
    server.empty()
    source.write_bytes(good)
    return f"{ending(is_good_end)}, {'an object of mixed bytes' if n_objects else 'no object'}"


def ending(is_good: bool | None) -> str:
    """How a program ended, in words."""
    return {None: f"no end in {LIMIT_S:g} s", True: "success", False: "an error"}[is_good]


def run(tool: Tool, command: list[str]) -> bool | None:
    """Whether a command ends well; none if it does not end."""
    return ended(start(tool, command))


def start(tool: Tool, command: list[str]) -> subprocess.Popen[bytes]:
    """A command that tells nothing."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env=environment_of(tool), stdout=quiet, stderr=quiet)


def ended(process: subprocess.Popen[bytes]) -> bool | None:
    """Whether a process ends well; none if it had to be ended."""
    try:
        return process.wait(LIMIT_S) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None

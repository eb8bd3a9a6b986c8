"""What an old pickle would do: read by its opcodes, never loaded.

The opcodes are followed on a stack of names, through memo and marks, so that a callable which is
named in two strings is found, too. What can't be named for sure counts as dangerous.
"""

from __future__ import annotations

import mmap
import pickletools
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from quarry.errors import DiskError, FileMissingError
from quarry.evaluation_sets.opcode_stack import OpcodeStack
from quarry.findings import Finding

_BROKEN: Final = (ValueError, LookupError, OverflowError, MemoryError, TypeError)
"""What pickletools raises on damaged bytes (its UnicodeDecodeError is a ValueError)."""


@dataclass(frozen=True)
class PickleCall:
    """Something that loading would run.

    Args:
        opcode: that runs it.
        target: what is run, such as `posix.system`; `?` where that shows only on running.
        n: how many times.
        position: byte of the first time.
    """

    opcode: str
    target: str
    n: int
    position: int


@dataclass(frozen=True)
class PickleReport:
    """What a file of pickles would do.

    Args:
        path: of the file.
        size_bytes: of the file.
        protocols: of the pickles in it, one after another.
        n_opcodes: that could be read.
        globals: what loading would import, sorted.
        calls: what it would run.
        findings: one for everything that a file of plain data would not have.
    """

    path: Path
    size_bytes: int
    protocols: tuple[int, ...]
    n_opcodes: int
    globals: tuple[str, ...]
    calls: tuple[PickleCall, ...]
    findings: tuple[Finding, ...]

    @property
    def is_plain_data(self) -> bool:
        """Whether loading would import and run nothing, as far as opcodes tell."""
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "path": str(self.path),
            "size_bytes": self.size_bytes,
            "protocols": list(self.protocols),
            "n_opcodes": self.n_opcodes,
            "is_plain_data": self.is_plain_data,
            "globals": list(self.globals),
            "calls": [asdict(call) for call in self.calls],
            "findings": [finding.as_dict() for finding in self.findings],
        }


def inspect_pickle(path: Path) -> PickleReport:
    """Say what loading a pickle would import and run, without doing any of it.

    Args:
        path: any file; of one that is no pickle the findings say so.

    Raises:
        FileMissingError: there is no such file.
        DiskError: it can't be read.
    """
    if not path.is_file():
        raise FileMissingError(
            "There is no pickle to inspect",
            where=str(path),
            expected="a file",
            got="a directory" if path.is_dir() else "no such file",
            fix="correct the path",
        )
    try:
        with path.open("rb") as file:
            size_bytes = path.stat().st_size
            if size_bytes == 0:
                return _report(path, 0, OpcodeStack(), [], _unreadable(path, 0, "an empty file"))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _inspected(path, content)
    except OSError as error:
        raise DiskError(
            "A pickle can't be read",
            where=str(path),
            expected="a file that this user may read",
            got=error.strerror or str(error),
            fix="see owner and permissions",
        ) from error


def _inspected(path: Path, content: mmap.mmap) -> PickleReport:
    """Follow all pickles of a file, one after another."""
    stack, protocols = OpcodeStack(), list[int]()
    broken: Finding | None = None
    while content.tell() < len(content):
        start = content.tell()
        protocols.append(0)
        stack.begin()
        try:
            for opcode, argument, position in pickletools.genops(cast(IO[bytes], content)):
                stack.follow(opcode, argument, position or 0)
                if opcode.name == "PROTO":
                    protocols[-1] = argument or 0
        except _BROKEN as error:
            broken = _unreadable(path, start, str(error).splitlines()[0] if str(error) else "")
            break
    return _report(path, len(content), stack, protocols, broken)


def _report(
    path: Path,
    size_bytes: int,
    stack: OpcodeStack,
    protocols: list[int],
    broken: Finding | None,
) -> PickleReport:
    """Sum up what was seen."""
    first = dict[tuple[str, str], int]()
    for opcode, target, position in stack.calls:
        first.setdefault((opcode, target), position)
    times = Counter((opcode, target) for opcode, target, _ in stack.calls)
    calls = tuple(
        PickleCall(opcode, target, times[opcode, target], position)
        for (opcode, target), position in first.items()
    )
    found = [*_of_calls(path, calls), *_of_globals(path, stack.globals)]
    return PickleReport(
        path=path,
        size_bytes=size_bytes,
        protocols=tuple(protocols),
        n_opcodes=stack.n_opcodes,
        globals=tuple(sorted(stack.globals)),
        calls=calls,
        findings=tuple([*found, broken] if broken else found),
    )


def _of_calls(path: Path, calls: tuple[PickleCall, ...]) -> Iterator[Finding]:
    """A finding for everything that would run."""
    for call in calls:
        yield _finding(
            "call",
            f"Loading this pickle would run {call.target}",
            f"{path}, byte {call.position}",
            f"{call.opcode}, {call.n} times",
        )


def _of_globals(path: Path, names: set[str]) -> Iterator[Finding]:
    """A finding for everything that would be imported."""
    for name in sorted(names):
        yield _finding(
            "global", f"Loading this pickle would import {name}", str(path), "a name to import"
        )


def _unreadable(path: Path, start: int, got: str) -> Finding:
    """The finding for bytes that are no pickle, or not a whole one."""
    return _finding(
        "unreadable",
        "The file can't be followed to its end as pickles; what lies beyond is unknown",
        f"{path}, in the pickle that begins at byte {start}",
        got or "no opcode of a pickle",
    )


def _finding(kind: str, what: str, where: str, got: str) -> Finding:
    """A finding of this file."""
    return Finding(
        check="pickle_is_plain_data",
        kind=kind,
        what=what,
        where=where,
        expected="opcodes that only build lists, dicts, texts and numbers",
        got=got,
        cure="never load it; name a registered metric in eval_set.json instead",
    )

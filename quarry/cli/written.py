"""Files that the user asked a command to write: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from quarry.errors import UsageError


def write_text(path: Path, text: str) -> None:
    """Write a file under its name only when it is complete.

    Raises:
        UsageError: it can't be written there.
    """
    with written(path) as write:
        write(text)


@contextmanager
def written(path: Path) -> Generator[Callable[[str], None]]:
    """A function that appends text to a file, which gets its name when the block ends well.

    Raises:
        UsageError: the file can't be written there; errors of the block itself pass unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _explained(path):
        file = temporary.open("w", encoding="utf-8", newline="")

    def write(text: str) -> None:
        with _explained(path):
            file.write(text)

    try:
        yield write
        with _explained(path):
            file.close()
            temporary.replace(path)
    finally:
        # closing flushes, which fails again on a full disk
        with _explained(path):
            file.close()
            temporary.unlink(missing_ok=True)


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Turn an operating system's error into one that says what to do."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            "A file can't be written",
            where=str(path),
            expected="a writable place with enough space",
            got=error.strerror or str(error),
            fix="name another path",
        ) from error

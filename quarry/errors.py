"""Every error that quarry raises on purpose, in one tree.

    QuarryError
    ├── CatalogError          (ValueError)         a catalog file is malformed
    ├── UnknownNameError      (LookupError)        a model, benchmark or sample does not exist
    ├── SourceMissingError    (FileNotFoundError)  a benchmark file, mirror or split is absent
    ├── RecordError           (ValueError)         one record of a source file is malformed
    ├── PromptTooLongError    (ValueError)         a prompt does not fit the model's context
    ├── LeakageError          (ValueError)         an exemplar is also graded
    ├── ModelLoadError        (RuntimeError)       a checkpoint can't be read
    ├── EngineMemoryError     (MemoryError)        out of memory at the smallest batch
    ├── EngineDiedError       (RuntimeError)       the process that runs a model has ended
    ├── DeviceBusyError       (TimeoutError)       no device became free in time
    ├── StorageFullError      (OSError)            not enough space for a file
    ├── DiskError             (OSError)            a file or folder can't be read or written
    ├── FileMissingError      (FileNotFoundError)  a published file that should exist does not
    ├── TrajectoryFormatError (ValueError)         a trajectory file has another layout
    ├── IntegrityError        (ValueError)         a file failed verification; carries the findings
    ├── CopyUnusableError     (ValueError)         no copy of a file can give its bytes
    ├── StorageError          (OSError)            an object store refused or failed
    │   ├── StorageDeadlineError  (TimeoutError)   its caller's time was over
    │   ├── StorageCancelledError (OSError)        its caller gave up
    │   ├── StorageRefusedError   (OSError)        a cap, a permission: a person has to act
    │   └── StorageConflictError  (FileExistsError) another version was there than expected
    ├── NecessityError        (RuntimeError)       problems of a shard could not be tested
    ├── GradingError          (RuntimeError)       the grader failed, not the completion
    │   ├── JudgeRefusedError     (RuntimeError)   a judge's provider refused: a person has to act
    │   └── SandboxUnavailableError (RuntimeError) this machine can't shut programs in
    ├── NoAnswerError         (ConnectionError)    a web server does not answer, or not as itself
    └── UsageError            (ValueError)         a command was called wrongly

A message is always in one order: what failed, where, expected, got, what to do.
Each leaf also inherits the builtin that a caller would naturally catch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarry.findings import Finding


class QuarryError(Exception):
    """Base of all errors that quarry raises on purpose.

    Args:
        what: what failed, as a sentence without the full stop.
        where: file, key, row or partition.
        expected: what would have been right.
        got: what was found instead.
        fix: what the reader should do next.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        got: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Keep the parts apart, so that a caller can show them as metadata."""
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.got = got
        self.fix = fix

    def parts(self) -> dict[str, str]:
        """The non-empty parts by name, in the order of the message."""
        named = {
            "what": self.what,
            "where": self.where,
            "expected": self.expected,
            "got": self.got,
            "fix": self.fix,
        }
        return {name: text for name, text in named.items() if text is not None}

    def __str__(self) -> str:
        """One line a part: what, then where, expected, got, fix."""
        lines = [self.what]
        lines += [f"  {name}: {text}" for name, text in self.parts().items() if name != "what"]
        return "\n".join(lines)


class CatalogError(QuarryError, ValueError):
    """A catalog file is malformed."""


class UnknownNameError(QuarryError, LookupError):
    """A model, benchmark, sample or partition that does not exist was named."""


class SourceMissingError(QuarryError, FileNotFoundError):
    """A benchmark file, mirror directory or split is absent."""


class RecordError(QuarryError, ValueError):
    """One record of a source file is malformed."""


class PromptTooLongError(QuarryError, ValueError):
    """A prompt does not fit the model's context."""


class LeakageError(QuarryError, ValueError):
    """An exemplar is also among the graded samples."""


class ModelLoadError(QuarryError, RuntimeError):
    """A checkpoint can't be read, or is not what the catalog says."""


class EngineMemoryError(QuarryError, MemoryError):
    """Out of memory at the smallest batch."""


class CacheTooSmallError(EngineMemoryError):
    """The memory that an engine may take leaves no cache for one sequence; less would not help."""


class EngineDiedError(QuarryError, RuntimeError):
    """The process that runs a model has ended, or failed in a way that it can't go on from."""


class DeviceBusyError(QuarryError, TimeoutError):
    """No device became free in time."""


class StorageFullError(QuarryError, OSError):
    """Not enough space for what is about to be written."""


class DiskError(QuarryError, OSError):
    """A file or a folder can't be read or written, for another reason than a full disk."""


class FileMissingError(QuarryError, FileNotFoundError):
    """A published file that should exist does not."""


class TrajectoryFormatError(QuarryError, ValueError):
    """A trajectory file does not have the expected layout."""


class IntegrityError(QuarryError, ValueError):
    """A file failed verification."""

    def __init__(self, what: str, *, findings: Sequence[Finding], where: str | None = None) -> None:
        """Summarise the findings in the message and keep them all."""
        first = findings[0] if findings else None
        more = f" (and {len(findings) - 1} more findings)" if len(findings) > 1 else ""
        super().__init__(
            what,
            where=where,
            expected=first.expected if first else None,
            got=f"{first.what}: {first.got}{more}" if first else None,
            fix=first.cure if first else None,
        )
        self.findings = list(findings)


class CopyUnusableError(QuarryError, ValueError):
    """Every copy of a file that is known was asked, and none can give its bytes."""


class StorageError(QuarryError, OSError):
    """An object store refused a request or failed for good."""


class StorageDeadlineError(StorageError, TimeoutError):
    """An object store was not done within its caller's time."""


class StorageCancelledError(StorageError):
    """A transfer was cancelled by its caller."""


class StorageRefusedError(StorageError):
    """An object store refused for good: trying again does not help before a person has acted."""


class StorageConflictError(StorageError, FileExistsError):
    """An object's current version is not the one that the caller's condition names."""


class NecessityError(QuarryError, RuntimeError):
    """Problems of a shard could not be tested; the others are kept."""


class GradingError(QuarryError, RuntimeError):
    """The grader itself failed, which says nothing about the completion."""


class JudgeRefusedError(GradingError):
    """A language model that judges will answer no request before a person has acted."""


class SandboxUnavailableError(GradingError):
    """This machine offers no way to shut a program in, and it was not asked to go without."""


class NoAnswerError(QuarryError, ConnectionError):
    """A web server does not answer, or what answers is no such server.

    Whether it did what it was asked for is not known.
    """


class UsageError(QuarryError, ValueError):
    """A command was called wrongly."""


READ_ERRORS = (
    QuarryError,
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
)
"""What reading damaged bytes may raise, from HDF5 and from what is made of them."""

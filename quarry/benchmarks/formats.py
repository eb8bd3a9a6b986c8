"""The source formats by name: which splits each has, and how it is read and parsed.

A format is added by writing one module like `gsm8k` and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from quarry.benchmarks import gsm8k, humaneval, logiqa, mbpp
from quarry.benchmarks.records import SourceRecord
from quarry.errors import SourceMissingError, UnknownNameError
from quarry.samples import Sample


@dataclass(frozen=True)
class BenchmarkFormat:
    """One source format.

    Args:
        name: as the catalog names it.
        splits: all that the source has.
        read: records of a split of a mirror directory.
        parse: samples of the records of a split, from a mirror or from the hub.
    """

    name: str
    splits: tuple[str, ...]
    read: Callable[[Path, str], Iterator[SourceRecord]]
    parse: Callable[[Iterable[SourceRecord], str], list[Sample]]

    def require_split(self, split: str) -> None:
        """Refuse a split that the source does not have.

        Raises:
            SourceMissingError: there is no such split.
        """
        if split not in self.splits:
            raise SourceMissingError(
                "A benchmark does not have the split that was asked for",
                where=f"{self.name}/{split}",
                expected=f"one of {', '.join(self.splits)}",
                got=repr(split),
                fix="correct `split` or `exemplars.split` of the benchmark in the catalog",
            )


FORMATS = {
    entry.name: entry
    for entry in (
        BenchmarkFormat("gsm8k", gsm8k.SPLITS, gsm8k.read, gsm8k.parse),
        BenchmarkFormat("humaneval", humaneval.SPLITS, humaneval.read, humaneval.parse),
        BenchmarkFormat("logiqa", logiqa.SPLITS, logiqa.read, logiqa.parse),
        BenchmarkFormat("mbpp", mbpp.SPLITS, mbpp.read, mbpp.parse),
    )
}


def format_named(name: str) -> BenchmarkFormat:
    """The format of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in FORMATS:
        raise UnknownNameError(
            "A benchmark format is unknown",
            where=repr(name),
            expected=f"one of {', '.join(FORMATS)}",
            got=repr(name),
            fix="correct the name, or add the format in quarry/benchmarks/formats.py",
        )
    return FORMATS[name]

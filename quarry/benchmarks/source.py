"""`BenchmarkSource`: where the samples of a deployment come from, a mirror directory or the hub.

Formats live in one module each; which samples are used lives in `draw` and `benchmark_set`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quarry.benchmarks.formats import format_named
from quarry.benchmarks.hub import read_hub
from quarry.catalog import BenchmarkSourceSpec, HubDataset
from quarry.errors import SourceMissingError
from quarry.samples import Sample
from quarry.toy.mirror import mirror_name, write_toy_mirror


@dataclass(frozen=True)
class BenchmarkSource:
    """Reads samples from a mirror directory or, where there is none, from the hub.

    Args:
        mirror: directory with the original files, such as `gsm8k/test.jsonl`; None for the hub.
        hub: the pinned datasets by format.
    """

    mirror: Path | None = None
    hub: Mapping[str, HubDataset] = field(default_factory=dict[str, HubDataset])

    def load(self, format: str, split: str) -> list[Sample]:
        """All samples of a split, in the order of the source.

        Raises:
            UnknownNameError: there is no such format.
            SourceMissingError: the split, file or dataset is absent.
            RecordError: a record is malformed.
        """
        entry = format_named(format)
        entry.require_split(split)
        if self.mirror is not None:
            return entry.parse(entry.read(self.mirror, split), split)
        if format not in self.hub:
            raise SourceMissingError(
                "A benchmark has no dataset on the hub in this catalog",
                where=f"benchmark_source.hub.{format}",
                expected="hub_id and revision",
                got="no entry",
                fix="add the entry to the catalog, or use a mirror",
            )
        return entry.parse(read_hub(self.hub[format], split), split)


def open_source(
    spec: BenchmarkSourceSpec, *, toy_dir: Path, base_dir: Path | None = None
) -> BenchmarkSource:
    """The source that a catalog describes.

    Args:
        spec: the catalog's `benchmark_source`.
        toy_dir: where toy mirrors are kept; one is written there when it is absent.
        base_dir: directory that a relative mirror path starts from; the working directory if None.

    Raises:
        SourceMissingError: the mirror directory does not exist.
        StorageFullError: there is no space for the toy mirror.
    """
    if spec.kind == "hub":
        return BenchmarkSource(hub={format: dataset for format, dataset in spec.hub.items()})
    if spec.kind == "toy":
        mirror = toy_dir / mirror_name(spec.seed)
        write_toy_mirror(mirror, spec.seed)
        return BenchmarkSource(mirror)
    mirror = (base_dir or Path()) / (spec.path or Path())
    if not mirror.is_dir():
        raise SourceMissingError(
            "The benchmark mirror is missing",
            where=str(mirror),
            expected="a directory with gsm8k/, humaneval/, logiqa/ and mbpp/",
            got="a file" if mirror.exists() else "no such directory",
            fix="correct benchmark_source.path in the catalog, or use kind: hub",
        )
    return BenchmarkSource(mirror)

"""The datasets that a catalog names: what each is chosen from, and what it must not contain."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quarry.benchmarks.source import BenchmarkSource
from quarry.catalog import Catalog
from quarry.catalog_reasoning import TargetSpec
from quarry.data_directory import DataDirectory
from quarry.errors import UnknownNameError
from quarry.necessity.candidates import source_samples
from quarry.selection.dataset_checks import check_targets_met
from quarry.selection.dataset_files import read_dataset
from quarry.selection.existing import read_existing
from quarry.selection.stratification import Stratified, stratify

if TYPE_CHECKING:
    import pandas as pd


def target_spec(catalog: Catalog, target: str) -> TargetSpec:
    """The entry of a dataset under `reasoning.targets`.

    Raises:
        CatalogError: the catalog has no tests of necessity.
        UnknownNameError: there is no such dataset.
    """
    targets = catalog.reasoning_spec().targets
    if target not in targets:
        raise UnknownNameError(
            "A stratified dataset is not in the catalog",
            where=f"catalog {catalog.name!r}, reasoning.targets",
            expected=f"one of {', '.join(targets)}",
            got=target,
            fix="correct the name, or add it there",
        )
    return targets[target]


def choose_dataset(
    catalog: Catalog, target: str, results: pd.DataFrame, source: BenchmarkSource, base_dir: Path
) -> Stratified:
    """Choose a dataset of the catalog.

    Args:
        catalog: its targets, and which problems are kept.
        target: name of the dataset.
        results: of the model that it is made of, see `quarry.necessity.table`.
        source: of the benchmarks, for the solutions of problems that are kept.
        base_dir: where relative paths of the catalog start.

    Raises:
        QuarryError: a file can't be read, or results contradict each other.
    """
    kept = existing_items(catalog, source, base_dir)
    return stratify(results, kept, target_spec(catalog, target).strata())


def existing_items(
    catalog: Catalog, source: BenchmarkSource, base_dir: Path
) -> pd.DataFrame | None:
    """The problems that every dataset keeps; None where the catalog names none.

    Raises:
        QuarryError: the file can't be read.
    """
    spec = catalog.reasoning_spec()
    if spec.candidates.existing is None:
        return None
    return read_existing(base_dir / spec.candidates.existing, source_samples(spec, source))


def evaluation_texts(
    catalog: Catalog, target: str, source: BenchmarkSource
) -> dict[str, dict[str, str]]:
    """Texts by id of every evaluation set that a dataset must share nothing with, by its name.

    Raises:
        SourceMissingError: a split is absent.
    """
    return {
        name: {sample.id: sample.input for sample in source.load(one.benchmark, one.split)}
        for name, one in target_spec(catalog, target).evaluation_sets.items()
    }


def dataset_state(catalog: Catalog, target: str, files: DataDirectory) -> dict[str, Any]:
    """How many problems of each stratum a published dataset has, and whether that is enough.

    Raises:
        QuarryError: the dataset can't be read.
    """
    spec = target_spec(catalog, target)
    path = files.path_of("stratified_dataset", target)
    if not path.exists():
        return {"items": 0, "is_met": False, "strata": {}, "path": None}
    dataset = read_dataset(path)
    counts = Counter(map(str, dataset[spec.by]))
    return {
        "items": len(dataset),
        "is_met": not check_targets_met(dataset, spec.strata()),
        "strata": dict(counts),
        "path": str(path),
    }

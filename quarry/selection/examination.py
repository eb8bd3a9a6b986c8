"""All that the checks of a stratified dataset find, from its files and the catalog."""

from __future__ import annotations

from pathlib import Path

from quarry.benchmarks.source import BenchmarkSource
from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.findings import Finding
from quarry.necessity.candidates import source_samples
from quarry.necessity.pool import problem_of
from quarry.selection.columns import DATASET_COLUMNS, table_of
from quarry.selection.dataset_checks import check_no_leakage, check_targets_met, check_unique
from quarry.selection.dataset_files import read_dataset
from quarry.selection.origin_checks import (
    check_all_necessary,
    check_existing_preserved,
    check_gold,
)
from quarry.selection.targets import evaluation_texts, existing_items, target_spec
from quarry.tables import read_table


def examine_dataset(
    catalog: Catalog, target: str, files: DataDirectory, source: BenchmarkSource, base_dir: Path
) -> tuple[list[Finding], dict[str, int]]:
    """What is wrong with a dataset, and plain numbers for a page.

    Args:
        catalog: its targets, candidates and evaluation sets.
        target: name of the dataset.
        files: where dataset and results are.
        source: of the benchmarks.
        base_dir: where relative paths of the catalog start.

    Raises:
        QuarryError: a file can't be read.
    """
    spec = target_spec(catalog, target)
    dataset = read_dataset(files.path_of("stratified_dataset", target))
    results = read_table(files.path_of("necessity_results", spec.of))
    existing = existing_items(catalog, source, base_dir)
    # without a file of existing problems, none may be marked as one
    kept = table_of([], DATASET_COLUMNS) if existing is None else existing
    problems = [problem_of(one) for one in source_samples(catalog.reasoning_spec(), source)]
    texts = evaluation_texts(catalog, target, source)
    findings = [
        *check_targets_met(dataset, spec.strata()),
        *check_all_necessary(dataset, results, existing),
        *check_unique(dataset),
        *check_existing_preserved(dataset, kept),
        *check_gold(dataset, problems),
        *check_no_leakage(dataset, texts),
    ]
    facts = {
        "items": len(dataset),
        "evaluation_texts": sum(len(one) for one in texts.values()),
    }
    return findings, facts

"""`DataDirectory`: where each asset's files lie below one root.

Names and relative paths come from `quarry.keys`; nothing here opens a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from quarry.errors import UnknownNameError
from quarry.keys import TrajectoryKey, checkpoint_path, samples_path, split_benchmark
from quarry.necessity.keys import POOL_PATH, NecessityKey, dataset_path, results_path
from quarry.sampling.keys import SampledKey

_PATHS: dict[str, Callable[[str], PurePosixPath]] = {
    "benchmark_samples": lambda partition: samples_path(*split_benchmark(partition)),
    "model_checkpoints": checkpoint_path,
    "trajectories": lambda partition: TrajectoryKey.from_partition(partition).trajectory_path,
    "correctness_labels": lambda partition: TrajectoryKey.from_partition(partition).labels_path,
    "labelled_trajectories": lambda partition: (
        TrajectoryKey.from_partition(partition).labelled_path
    ),
    "label_changes": lambda partition: TrajectoryKey.from_partition(partition).changes_path,
    "codi_checkpoints": checkpoint_path,
    "reasoning_candidates": lambda _: POOL_PATH,
    "cot_necessity": lambda partition: NecessityKey.from_partition(partition).table_path,
    "necessity_results": results_path,
    "stratified_dataset": dataset_path,
    "finetuned_checkpoints": lambda partition: SampledKey.from_partition(partition).trained_path,
    "sampled_completions": lambda partition: SampledKey.from_partition(partition).completions_path,
    "graded_completions": lambda partition: SampledKey.from_partition(partition).graded_path,
    "sampled_eval_dataset": lambda partition: SampledKey.from_partition(partition).set_path,
}


@dataclass(frozen=True)
class DataDirectory:
    """The root below which everything that quarry publishes lies."""

    root: Path

    def path_of(self, asset: str, partition: str) -> Path:
        """The file or directory of one partition of an asset.

        Raises:
            UnknownNameError: the asset has no files, or the partition key can't be read.
        """
        if asset not in _PATHS:
            raise UnknownNameError(
                "An asset has no place in the data directory",
                where=asset,
                expected=f"one of {', '.join(_PATHS)}",
                got=asset,
                fix="add its path rule to quarry/data_directory.py",
            )
        return self.root / _PATHS[asset](partition)

    def object_name(self, asset: str, partition: str) -> str:
        """The name of a file's copy in an object store: its path below the root.

        Raises:
            UnknownNameError: see `path_of`.
        """
        return self.path_of(asset, partition).relative_to(self.root).as_posix()

    def trajectory(self, key: TrajectoryKey) -> Path:
        """The activations of a cell."""
        return self.root / key.trajectory_path

    def files_by_object(self, keys: Iterable[TrajectoryKey]) -> dict[str, Path]:
        """The trajectory files of cells, by the names of their copies in an object store."""
        return {str(key.trajectory_path): self.trajectory(key) for key in keys}

    def labels(self, key: TrajectoryKey) -> Path:
        """The verdicts of a cell."""
        return self.root / key.labels_path

    def labelled(self, key: TrajectoryKey) -> Path:
        """The small HDF5 view of a cell with fresh labels."""
        return self.root / key.labelled_path

    def changes(self, key: TrajectoryKey) -> Path:
        """What moved between the labels of a cell's last two grader versions."""
        return self.root / key.changes_path

    def samples(self, key: TrajectoryKey) -> Path:
        """The drawn samples of a cell's benchmark."""
        return self.root / samples_path(key.task, key.n_shot)

    def checkpoint(self, model: str) -> Path:
        """A checkpoint that the platform trained itself."""
        return self.root / checkpoint_path(model)

    def necessity_journal(self, key: NecessityKey) -> Path:
        """Results of a shard that is being tested."""
        return self.root / key.journal_path

    def completion_store(self, key: SampledKey) -> Path:
        """Completions of a checkpoint that is being sampled."""
        return self.root / key.store_path

    @property
    def grading(self) -> Path:
        """Decisions that were paid for, and what was spent on them."""
        return self.root / "state" / "grading"

    @property
    def toy_mirror(self) -> Path:
        """The toy benchmarks in their source formats."""
        return self.root / "benchmarks"

    @property
    def copies_ledger(self) -> Path:
        """The record of what an object store holds."""
        return self.root / "state" / "copies.sqlite"

    @property
    def costs(self) -> Path:
        """The log of what collecting has cost."""
        return self.root / "state" / "costs.jsonl"

    @property
    def semantic_verdicts(self) -> Path:
        """What comparisons with the models have found, one file for each content."""
        return self.root / "state" / "semantic"

    @property
    def locks(self) -> Path:
        """Locks that keep two uploads of one object apart."""
        return self.root / "state" / "locks"

    @property
    def aside(self) -> Path:
        """Damaged files that were replaced and are kept for a while."""
        return self.root / "aside"

    @property
    def audit(self) -> Path:
        """The latest audit: Markdown, CSV and HTML."""
        return self.root / "audit"

"""`TrajectoryKey`: the one place that knows partition key, path and file name of a grid cell.

A key is (model, task, n_shot). Dagster sees two dimensions, `model` and `benchmark`, the second
being task and shots together (`gsm8k-8shot`). Every path of the platform is derived here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from quarry.errors import UnknownNameError

SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_BENCHMARK = re.compile(r"(?P<task>[a-z0-9][a-z0-9._-]*)-(?P<n_shot>0|[1-9][0-9]*)shot")

_MOST_CHARACTERS = 100
_MOST_SHOWN = 200

MODEL_DIMENSION = "model"
BENCHMARK_DIMENSION = "benchmark"


def benchmark_name(task: str, n_shot: int) -> str:
    """The `benchmark` dimension's key of a task and a shot setting: `gsm8k-8shot`."""
    return f"{task}-{n_shot}shot"


def split_benchmark(benchmark: str) -> tuple[str, int]:
    """Task and number of shots of a `benchmark` key.

    Raises:
        UnknownNameError: the key has another form.
    """
    found = _BENCHMARK.fullmatch(benchmark)
    if found is None or len(benchmark) > _MOST_CHARACTERS:
        raise UnknownNameError(
            "A benchmark key can't be read",
            where=_shown(benchmark),
            expected="<task>-<n>shot, such as gsm8k-8shot, the number without zeros in front, "
            f"up to {_MOST_CHARACTERS} characters",
            got=_shown(benchmark),
            fix="use a key that `quarry audit` lists",
        )
    return found["task"], int(found["n_shot"])


def require_slug(name: str) -> str:
    """Refuse a name that would not be safe as partition key and as path on every system.

    Returns:
        The name, unchanged.

    Raises:
        UnknownNameError: it has other characters than a slug, or is too long.
    """
    if SLUG.fullmatch(name) is None:
        raise UnknownNameError(
            "A name can't be used as partition key and path",
            where=_shown(name),
            expected="a-z 0-9 . _ -, starting with a letter or digit, up to 100 of them",
            got=_shown(name),
            fix="rename it in the catalog",
        )
    return name


def _shown(name: str) -> str:
    """A name as a message shows it, not without end."""
    shown = repr(name)
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}..."


@dataclass(frozen=True, order=True)
class TrajectoryKey:
    """One cell of the grid: a model, a task and a number of shots."""

    model: str
    task: str
    n_shot: int

    def __post_init__(self) -> None:
        """Refuse names that would not be safe as partition key and as path on every system."""
        require_slug(self.model)
        require_slug(self.task)
        if self.n_shot < 0:  # `a--1shot` is one shot of the task `a-`
            raise UnknownNameError(
                "A number of shots can't be negative",
                where=repr(self),
                expected="0 or more",
                got=str(self.n_shot),
                fix="correct it in the catalog",
            )
        if len(self.model) + len(self.benchmark) > _MOST_CHARACTERS:
            raise UnknownNameError(
                "The names of a cell are too long for the file names made of them",
                where=repr(self),
                expected=f"up to {_MOST_CHARACTERS} characters of model and benchmark together",
                got=f"{len(self.model) + len(self.benchmark)}",
                fix="shorten one of them in the catalog",
            )

    @property
    def benchmark(self) -> str:
        """Task and shots together: the `benchmark` dimension's key."""
        return benchmark_name(self.task, self.n_shot)

    @classmethod
    def from_dimensions(cls, model: str, benchmark: str) -> TrajectoryKey:
        """The key of a pair of dimension keys."""
        task, n_shot = split_benchmark(benchmark)
        return cls(model, task, n_shot)

    @cached_property
    def partition(self) -> str:
        """The key as Dagster writes it: dimension values in the order of the dimensions' names."""
        return f"{self.benchmark}|{self.model}"

    @classmethod
    def from_partition(cls, partition: str) -> TrajectoryKey:
        """The inverse of `partition`.

        Raises:
            UnknownNameError: the text is not `benchmark|model`.
        """
        benchmark, bar, model = partition.partition("|")
        if not bar:
            raise UnknownNameError(
                "A partition key can't be read",
                where=_shown(partition),
                expected="<task>-<n>shot|<model>, such as gsm8k-8shot|demo_base",
                got=_shown(partition),
                fix="use a key that `quarry audit` lists",
            )
        return cls.from_dimensions(model, benchmark)

    @cached_property
    def trajectory_path(self) -> PurePosixPath:
        """Where the activations lie, locally below the data directory and in the bucket."""
        return PurePosixPath(
            "trajectories", f"{self.n_shot}shot", self.model, f"{self.task}_trajectories.h5"
        )

    @property
    def labels_path(self) -> PurePosixPath:
        """Where the verdicts lie."""
        return PurePosixPath(
            "labels", f"{self.n_shot}shot", self.model, f"{self.task}_labels.parquet"
        )

    @property
    def labelled_path(self) -> PurePosixPath:
        """Where the small HDF5 view with fresh labels lies."""
        return PurePosixPath(
            "labelled", f"{self.n_shot}shot", self.model, f"{self.task}_labelled.h5"
        )

    @property
    def changes_path(self) -> PurePosixPath:
        """Where what moved between the labels of the last two grader versions lies."""
        return PurePosixPath(
            "changes", f"{self.n_shot}shot", self.model, f"{self.task}_changes.parquet"
        )

    def __str__(self) -> str:
        """The partition key."""
        return self.partition


def samples_path(task: str, n_shot: int) -> PurePosixPath:
    """Where the drawn samples and the exemplars of a benchmark lie.

    Raises:
        UnknownNameError: the task is no name of one.
    """
    require_slug(task)
    return PurePosixPath("samples", f"{benchmark_name(task, n_shot)}.parquet")


def checkpoint_path(model: str) -> PurePosixPath:
    """Where a checkpoint that the platform trained itself lies.

    Raises:
        UnknownNameError: this is no name of a model.
    """
    return PurePosixPath("models", require_slug(model))

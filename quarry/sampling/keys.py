"""`SampledKey`: a fine-tuned checkpoint as partition key and as paths; how runs are named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from quarry.errors import UnknownNameError
from quarry.keys import require_slug

SEPARATOR = "@"
_MOST_CHARACTERS = 160


@dataclass(frozen=True, order=True)
class SampledKey:
    """A checkpoint of a fine-tuning run.

    One key of both, since a run has its own checkpoints: a grid of all runs with all names of
    checkpoints would have cells that can never be made.
    """

    run: str
    checkpoint: str

    def __post_init__(self) -> None:
        """Refuse names that would not be safe as partition key and as path."""
        require_slug(self.run)
        require_slug(self.checkpoint)
        if len(self.partition) > _MOST_CHARACTERS:
            raise UnknownNameError(
                "The names of a run and its checkpoint are too long",
                where=self.partition[:_MOST_CHARACTERS],
                expected=f"up to {_MOST_CHARACTERS} characters together",
                got=str(len(self.partition)),
                fix="give the run a shorter name under `evaluation.runs` in the catalog",
            )

    @property
    def partition(self) -> str:
        """The partition key: `mayors-1epoch@checkpoint_final`."""
        return f"{self.run}{SEPARATOR}{self.checkpoint}"

    @classmethod
    def from_partition(cls, partition: str) -> SampledKey:
        """The inverse of `partition`.

        Raises:
            UnknownNameError: the text is not `run@checkpoint`.
        """
        run, separator, checkpoint = partition.partition(SEPARATOR)
        if not separator:
            raise UnknownNameError(
                "A partition key can't be read",
                where="finetuned_checkpoints",
                expected="<run>@<checkpoint>, such as mayors-1epoch@checkpoint_final",
                got=repr(partition),
                fix="use a key that the asset's page lists",
            )
        return cls(run, checkpoint)

    @property
    def folder(self) -> PurePosixPath:
        """The folder of everything that is made of the checkpoint."""
        return PurePosixPath("evaluation", self.run, self.checkpoint)

    @property
    def completions_path(self) -> PurePosixPath:
        """Where the sampled completions lie."""
        return self.folder / "completions.parquet"

    @property
    def graded_path(self) -> PurePosixPath:
        """Where the graded completions lie."""
        return self.folder / "graded.parquet"

    @property
    def set_path(self) -> PurePosixPath:
        """The directory of the evaluation set."""
        return self.folder / "eval_set"

    @property
    def store_path(self) -> PurePosixPath:
        """Where completions are kept until they are published."""
        return PurePosixPath("staging", "evaluation", self.run, f"{self.checkpoint}.sqlite")

    @property
    def trained_path(self) -> PurePosixPath:
        """Where a checkpoint lies that was trained here."""
        return PurePosixPath("outputs", self.run, self.checkpoint)


def domain_of(run: str, domains: Iterable[str]) -> str | None:
    """The domain that a run's name begins with, as in `mayors-1epoch`; the longest that fits."""
    fitting = [name for name in domains if run.startswith(f"{name}-")]
    return max(fitting, key=len, default=None)

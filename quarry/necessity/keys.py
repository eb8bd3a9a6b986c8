"""Partition keys and paths of tests of necessity, and of the datasets chosen from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from quarry.errors import UnknownNameError
from quarry.keys import require_slug

SHARD_DIMENSION: Final = "shard"
POOL_PATH: Final = PurePosixPath("necessity", "candidates.parquet")


@dataclass(frozen=True, order=True)
class NecessityKey:
    """One shard of the candidates, tested with one model."""

    model: str
    shard: str

    def __post_init__(self) -> None:
        """Refuse names that would not be safe as partition key and as path."""
        require_slug(self.model)
        require_slug(self.shard)

    @property
    def partition(self) -> str:
        """The key as Dagster writes it: dimension values in the order of the dimensions' names."""
        return f"{self.model}|{self.shard}"

    @classmethod
    def from_partition(cls, partition: str) -> NecessityKey:
        """The inverse of `partition`.

        Raises:
            UnknownNameError: the text is not `model|shard`.
        """
        model, bar, shard = partition.partition("|")
        if not bar:
            raise UnknownNameError(
                "A partition key can't be read",
                where="cot_necessity",
                expected="<model>|<shard>, such as demo_codi|shard-00",
                got=repr(partition),
                fix="use a key that the asset's page lists",
            )
        return cls(model, shard)

    @property
    def table_path(self) -> PurePosixPath:
        """Where the results lie."""
        return PurePosixPath("necessity", self.model, f"{self.shard}.parquet")

    @property
    def journal_path(self) -> PurePosixPath:
        """Where results are kept until the shard is published."""
        return PurePosixPath("staging", "necessity", self.model, f"{self.shard}.journal")


def results_path(model: str) -> PurePosixPath:
    """Where the results of all shards of a model lie.

    Raises:
        UnknownNameError: this is no name of a model.
    """
    return PurePosixPath("necessity", f"{require_slug(model)}.parquet")


def dataset_path(target: str) -> PurePosixPath:
    """Where a stratified dataset lies, as JSON; its Parquet file is beside it.

    Raises:
        UnknownNameError: this is no name of a dataset.
    """
    return PurePosixPath("datasets", "stratified", f"{require_slug(target)}.json")

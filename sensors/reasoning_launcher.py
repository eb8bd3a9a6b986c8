"""`ReasoningLauncher`: runs tests of necessity and datasets through Dagster in this process."""

from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from assets.partitions import ReasoningPartitions
from assets.specs import (
    CODI_CHECKPOINTS,
    COT_NECESSITY,
    NECESSITY_RESULTS,
    REASONING_CANDIDATES,
    STRATIFIED_DATASET,
)
from quarry.catalog import ReasoningSpec
from quarry.necessity.keys import NecessityKey
from sensors.launcher import Launcher, Outcome


class ReasoningLauncher:
    """Runs parts of the group `reasoning` one after another.

    Args:
        launcher: of the deployment.
        instance: the Dagster instance that records the runs.
        spec: which models and datasets there are.
        partitions: theirs.
    """

    def __init__(
        self,
        launcher: Launcher,
        instance: dg.DagsterInstance,
        spec: ReasoningSpec,
        partitions: ReasoningPartitions,
    ) -> None:
        """Keep what every run needs."""
        self._launcher = launcher
        self._instance = instance
        self._spec = spec
        self._partitions = partitions

    def lacking(self, models: Sequence[str]) -> list[str]:
        """Shards of models that are missing or failed, in the order of the partitions."""
        wanted = self.every(models)
        found = self._instance.get_status_by_partition(
            dg.AssetKey(COT_NECESSITY.name), wanted, self._partitions.shards
        )
        done = AssetPartitionStatus.MATERIALIZED
        return [key for key in wanted if (found or {}).get(key) != done]

    def every(self, models: Sequence[str]) -> list[str]:
        """All shards of models, in the order of the partitions."""
        keys = map(str, self._partitions.shards.get_partition_keys())
        return [key for key in keys if NecessityKey.from_partition(key).model in models]

    def targets_of(self, models: Sequence[str]) -> list[str]:
        """The datasets that are chosen from the results of models."""
        return [name for name, target in self._spec.targets.items() if target.of in models]

    def prepare(self, models: Sequence[str], *, again: bool) -> Iterator[Outcome]:
        """Draw the candidates and train the toy models that are lacking, or all of them."""
        if again or not self._made(REASONING_CANDIDATES.name):
            yield self._launcher.materialise(REASONING_CANDIDATES.name)
        done = set[str]() if again else self._made(CODI_CHECKPOINTS.name)
        for model in self._spec.toy_models:
            if model in models and model not in done:
                yield self._launcher.materialise(CODI_CHECKPOINTS.name, model)

    def shards(self, partitions: Sequence[str]) -> Iterator[Outcome]:
        """Test shards."""
        for partition in partitions:
            yield self._launcher.materialise(COT_NECESSITY.name, partition)

    def datasets(self, models: Sequence[str]) -> Iterator[Outcome]:
        """Merge the results of models, and choose the datasets that are made of them."""
        for model in models:
            yield self._launcher.materialise(NECESSITY_RESULTS.name, model)
        for name in self.targets_of(models):
            yield self._launcher.materialise(STRATIFIED_DATASET.name, name)

    def _made(self, asset: str) -> set[str]:
        """Partitions that were materialised; an asset without partitions has an empty one."""
        key = dg.AssetKey(asset)
        if asset == REASONING_CANDIDATES.name:
            return {""} if self._instance.get_latest_materialization_event(key) else set[str]()
        return self._instance.get_materialized_partitions(key)

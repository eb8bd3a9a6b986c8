"""Materialisations that another step than the asset's own records, so that they look like its own.

Dagster tells stale from fresh by tags of the latest materialisation: the code version, the data
version, and for every dependency its data version and the event it was read from. A test compares
these tags with those that the assets' own run leaves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    extract_data_version_from_entry,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.definitions.partitions.utils import get_tags_from_multi_partition_key
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent

from assets.identity import AssetIdentity
from assets.materialization_tags import latest_tags
from assets.specs import (
    BENCHMARK_SAMPLES,
    CORRECTNESS_LABELS,
    LABEL_CHANGES,
    LABELLED_TRAJECTORIES,
    MODEL_CHECKPOINTS,
    REMOTE_LABELS,
    TRAJECTORIES,
)
from quarry.keys import BENCHMARK_DIMENSION, MODEL_DIMENSION, TrajectoryKey

UPSTREAM = {
    TRAJECTORIES.name: (BENCHMARK_SAMPLES.name, MODEL_CHECKPOINTS.name),
    CORRECTNESS_LABELS.name: (TRAJECTORIES.name, BENCHMARK_SAMPLES.name),
    LABELLED_TRAJECTORIES.name: (TRAJECTORIES.name, CORRECTNESS_LABELS.name),
    LABEL_CHANGES.name: (TRAJECTORIES.name, CORRECTNESS_LABELS.name),
    REMOTE_LABELS.name: (CORRECTNESS_LABELS.name,),
}
"""What each asset that may be recorded here is made from."""


@dataclass(frozen=True)
class CellRecord:
    """What the latest materialisation of one cell of an asset should say.

    Args:
        identity: the asset, one of `UPSTREAM`.
        key: the cell.
        version: the data version of what lies there; None to ask only whether the cell was made
            by this code from what is upstream now.
    """

    identity: AssetIdentity
    key: TrajectoryKey
    version: str | None = None

    def is_recorded(self, instance: dg.DagsterInstance) -> bool:
        """Whether Dagster knows of it: then the UI shows the cell as fresh."""
        tags = self._recorded(instance)
        return all(tags.get(name) == text for name, text in self._versions(instance).items())

    def is_outdated(self, instance: dg.DagsterInstance) -> bool:
        """Whether this very content was recorded, and made by other code or from other inputs."""
        is_known = self._recorded(instance).get(DATA_VERSION_TAG) == self.version
        return is_known and not self.is_recorded(instance)

    def materialization(
        self, instance: dg.DagsterInstance, metadata: Mapping[str, Any]
    ) -> dg.AssetMaterialization:
        """The event; what it is made from must be recorded before."""
        pointers = {
            get_input_event_pointer_tag(dg.AssetKey(name)): self._latest(instance, name)[1]
            for name in UPSTREAM[self.identity.name]
        }
        partition = dg.MultiPartitionKey(
            {MODEL_DIMENSION: self.key.model, BENCHMARK_DIMENSION: self.key.benchmark}
        )
        return dg.AssetMaterialization(
            self.identity.name,
            partition=partition,
            metadata=metadata,
            tags={
                **self._versions(instance),
                **pointers,
                **get_tags_from_multi_partition_key(partition),
                DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
            },
        )

    def announce(self, instance: dg.DagsterInstance, run: dg.DagsterRun, step_key: str) -> None:
        """Say that a run makes the cell, as the asset's own run says when it is launched.

        The UI shows the cell in progress, and failed if the run fails without having recorded it.
        """
        planned = AssetMaterializationPlannedData(
            dg.AssetKey(self.identity.name), partition=self.key.partition
        )
        event = DagsterEvent.build_asset_materialization_planned_event(
            run.job_name, step_key, planned
        )
        instance.report_dagster_event(event, run_id=run.run_id)

    def _recorded(self, instance: dg.DagsterInstance) -> Mapping[str, str]:
        """The tags of the latest materialisation; none where there is none."""
        return latest_tags(instance, self.identity.name, self.key.partition)

    def _versions(self, instance: dg.DagsterInstance) -> dict[str, str]:
        """The tags that decide whether it is stale."""
        return {
            CODE_VERSION_TAG: self.identity.code_version,
            **({} if self.version is None else {DATA_VERSION_TAG: self.version}),
            **{
                get_input_data_version_tag(dg.AssetKey(name)): self._latest(instance, name)[0]
                for name in UPSTREAM[self.identity.name]
            },
        }

    def _latest(self, instance: dg.DagsterInstance, asset: str) -> tuple[str, str]:
        """Data version and event of what lies upstream, as Dagster's own steps write them."""
        record = instance.get_latest_data_version_record(
            dg.AssetKey(asset), partition_key=self._partition_of(asset)
        )
        if record is None:
            return DEFAULT_DATA_VERSION.value, NULL_EVENT_POINTER
        version = extract_data_version_from_entry(record.event_log_entry) or DEFAULT_DATA_VERSION
        # of partitions, a step writes the digest of all versions that it read: here, of one
        return sha256(version.value.encode()).hexdigest(), str(record.storage_id)

    def _partition_of(self, asset: str) -> str:
        """The partition of an asset upstream that the cell is made from."""
        alone = {BENCHMARK_SAMPLES.name: self.key.benchmark, MODEL_CHECKPOINTS.name: self.key.model}
        return alone.get(asset, self.key.partition)

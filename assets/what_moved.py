"""What has moved since partitions were made, of a whole grid in a few queries.

Says the same as Dagster's own staleness (the UI's mark "Unsynced") for the assets of the grid, and
what it was that moved: a test compares them. `staleness` is for any asset and says only which.
"""

from collections.abc import Mapping
from hashlib import sha256

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.data_version import (
    DEFAULT_DATA_VERSION,
    get_input_data_version_tag,
)

from assets.latest import latest_materializations
from assets.materialization_tags import CODE_VERSION_TAG, DATA_VERSION_TAG
from assets.recording import UPSTREAM
from assets.specs import (
    BENCHMARK_SAMPLES,
    CORRECTNESS_LABELS,
    MODEL_CHECKPOINTS,
    TRAJECTORIES,
)
from quarry.keys import TrajectoryKey

_CODE = {
    CORRECTNESS_LABELS.name: "an older grader made the labels",
    TRAJECTORIES.name: "an older version of the collection made the file",
}


class Movements:
    """Compares what partitions were made from with what is there now; reads each asset once.

    Args:
        instance: knows what was recorded.
        graph: knows the versions of the code.
    """

    def __init__(self, instance: dg.DagsterInstance, graph: AssetGraph) -> None:
        """Nothing is read yet."""
        self._instance, self._graph = instance, graph
        self._tags: dict[str, Mapping[str, Mapping[str, str]]] = {}

    def of(self, asset: str) -> dict[str, str]:
        """The stale partitions of an asset, each with what has moved in a sentence."""
        found: dict[str, str] = {}
        version = self._graph.get(dg.AssetKey(asset)).code_version
        for partition, tags in self._of(asset).items():
            moved = _code_moved(asset, version, tags)
            moved += self._inputs_moved(asset, partition, tags)
            if moved:
                found[partition] = ", ".join(moved)
        return found

    def _of(self, asset: str) -> Mapping[str, Mapping[str, str]]:
        """Tags of the latest materialisation of every partition."""
        if asset not in self._tags:
            latest = latest_materializations(self._instance, asset)
            self._tags[asset] = {partition: one.tags for partition, one in latest.items()}
        return self._tags[asset]

    def _inputs_moved(self, asset: str, partition: str, tags: Mapping[str, str]) -> list[str]:
        """What a partition was made from and is another now."""
        key = TrajectoryKey.from_partition(partition)
        alone = {BENCHMARK_SAMPLES.name: key.benchmark, MODEL_CHECKPOINTS.name: key.model}
        moved: list[str] = []
        for name in UPSTREAM[asset]:
            used = tags.get(get_input_data_version_tag(dg.AssetKey(name)))
            now = self._of(name).get(alone.get(name, partition), {}).get(DATA_VERSION_TAG)
            if used is not None and used != now and used not in _as_used(now):
                moved.append(f"{name} have changed since")
        return moved


def _as_used(version: str | None) -> set[str]:
    """A data version as a step that read it may have noted it: of partitions, hashed."""
    if version is None:
        return {DEFAULT_DATA_VERSION.value, sha256(DEFAULT_DATA_VERSION.value.encode()).hexdigest()}
    return {version, sha256(version.encode()).hexdigest()}


def _code_moved(asset: str, version: str | None, tags: Mapping[str, str]) -> list[str]:
    """That another version of the code made a partition."""
    made_by = tags.get(CODE_VERSION_TAG)
    if made_by is None or made_by == version:
        return []
    return [f"{_CODE.get(asset, f'older code made {asset}')} (version {made_by}, now {version})"]

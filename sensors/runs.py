"""The sensor that finds fine-tuning runs: partitions for their checkpoints, and a record of each.

Names are validated before they become partition keys. What is not whole, or has a name that can't
be used, is left out and named in the tick. A checkpoint that disappears keeps its partition: what
was made of it is still there.
"""

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import dagster as dg

from assets.evaluation_specs import FINETUNED_CHECKPOINTS
from assets.materialization_tags import DATA_VERSION_TAG, latest_tags
from assets.partitions import CHECKPOINT_PARTITIONS, build_checkpoint_partitions
from quarry.sampling.runs import FoundCheckpoint, Rejected, find_runs, trained_keys
from resources.catalog import CatalogResource
from resources.files import FilesResource

NAME = "watch_runs"
MOST_PER_TICK = 50
ASSET_KEY = dg.AssetKey(FINETUNED_CHECKPOINTS.name)


def build_runs_sensor() -> dg.SensorDefinition:
    """The sensor of fine-tuning runs."""

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Adds a partition for every checkpoint of a fine-tuning run: those of the "
        "catalog, and those in the outputs folder whose runs are named after a domain. Records "
        "checkpoints that were made elsewhere. Reads names, sizes and pieces of files; starts "
        "nothing.",
    )
    def watch_runs(
        context: dg.SensorEvaluationContext, catalog: CatalogResource, files: FilesResource
    ) -> dg.SensorResult:
        spec, base_dir = catalog.load().evaluation_spec(), Path(catalog.path).parent
        found = find_runs(spec, files.open().root, base_dir)
        left_out = _fingerprint(found.rejected)
        for one in found.rejected if left_out != context.cursor else ():
            context.log.warning("%s is left out. %s. What to do: %s", one.path, one.why, one.cure)
        keys = [*trained_keys(spec), *(one.key for one in found.checkpoints)]
        new = unknown_partitions(context.instance, [key.partition for key in keys])
        events = changed_checkpoints(context.instance, found.checkpoints)
        return dg.SensorResult(
            skip_reason=_summary(len(keys), len(new), found.rejected),
            dynamic_partitions_requests=(
                [build_checkpoint_partitions().build_add_request(new)] if new else []
            ),
            asset_events=events,
            cursor=left_out,
        )

    return watch_runs


def unknown_partitions(instance: dg.DagsterInstance, partitions: Iterable[str]) -> list[str]:
    """Those that the instance does not have, each once, in order."""
    known = set(instance.get_dynamic_partitions(CHECKPOINT_PARTITIONS))
    return [one for one in dict.fromkeys(partitions) if one not in known]


def changed_checkpoints(
    instance: dg.DagsterInstance, found: Iterable[FoundCheckpoint]
) -> list[dg.AssetMaterialization]:
    """Records of checkpoints from elsewhere that the instance knows nothing of, or as others."""
    events: list[dg.AssetMaterialization] = []
    for one in found:
        recorded = latest_tags(instance, FINETUNED_CHECKPOINTS.name, one.key.partition)
        if one.identity != recorded.get(DATA_VERSION_TAG):
            events.append(
                dg.AssetMaterialization(
                    ASSET_KEY,
                    description="A checkpoint that no run of this instance made.",
                    metadata={"path": dg.MetadataValue.path(str(one.path))},
                    partition=one.key.partition,
                    tags={DATA_VERSION_TAG: one.identity},
                )
            )
    return events[:MOST_PER_TICK]


def _fingerprint(rejected: tuple[Rejected, ...]) -> str:
    """Changes whenever something else is left out, so that each is warned of once."""
    listed = "\n".join(f"{one.path} {one.why}" for one in rejected)
    return blake2b(listed.encode(), digest_size=8).hexdigest()


def _summary(total: int, n_new: int, rejected: tuple[Rejected, ...]) -> str:
    """What a tick found, in one line."""
    left_out = f"; left out: {', '.join(one.path.name for one in rejected)}" if rejected else ""
    return f"{total} checkpoints, {n_new} of them new{left_out}"

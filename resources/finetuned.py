"""Fine-tuned checkpoints, loaded for sampling, as a resource."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.inference.leased_engine import LeasedEngine
from quarry.sampling.keys import SampledKey
from quarry.sampling.opening import open_checkpoint, read_tokenizer, with_beginning
from quarry.sampling.runs import checkpoint_directory
from resources.engines import EngineResource


@dataclass(frozen=True)
class OpenedCheckpoint:
    """A checkpoint on its devices, and how a prompt's text is fed to it."""

    engine: LeasedEngine
    asked: Callable[[str], str]


class FinetunedResource(dg.ConfigurableResource):
    """Opens checkpoints of fine-tuning runs, on devices that they have for themselves."""

    engines: dg.ResourceDependency[EngineResource]

    @contextmanager
    def open(
        self, catalog: Catalog, key: SampledKey, files: DataDirectory, base_dir: Path
    ) -> Iterator[OpenedCheckpoint]:
        """Lease devices and load a checkpoint on them; leaving the block gives them back.

        Args:
            catalog: how checkpoints are loaded, devices, limits.
            key: which.
            files: where those are that were trained here.
            base_dir: where relative paths of the catalog start.

        Raises:
            QuarryError: the checkpoint is not there or not whole, or no device became free.
        """
        directory = checkpoint_directory(catalog.evaluation_spec(), key, files.root, base_dir)
        request = self.engines.request(key.partition)
        log = dg.get_dagster_logger().info
        with open_checkpoint(request, catalog, key, directory, log=log) as engine:
            yield OpenedCheckpoint(engine, with_beginning(read_tokenizer(directory)))

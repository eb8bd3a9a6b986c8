"""The base of all IO managers: one file a partition, published whole, never deleted first.

A format adds `write` and `read`. Dagster calls `handle_output` and `load_input`; these find the
path, call the format, and turn a missing file into a permanent failure that names key and path.
"""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import dagster as dg

from quarry.data_directory import DataDirectory
from quarry.errors import FileMissingError
from resources.failures import permanent_failures


class PartitionedFileIOManager(dg.ConfigurableIOManager):
    """Stores each partition as one file below `data_dir`."""

    data_dir: str

    @abstractmethod
    def write(self, path: Path, value: Any) -> dict[str, Any]:
        """Publish a value at a path atomically; returns metadata for the asset page."""

    @abstractmethod
    def read(self, path: Path) -> Any:
        """The value of an existing file."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Publish the output of a partition."""
        path = self._path(context.asset_key, context.asset_partition_key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with permanent_failures():
            metadata = self.write(path, obj)
        context.add_output_metadata({"path": dg.MetadataValue.path(str(path)), **metadata})

    def load_input(self, context: dg.InputContext) -> Any:
        """The value of the one upstream partition, or a dict of them by partition key."""
        keys = list(context.asset_partition_keys)
        with permanent_failures():
            values = {key: self._load(context.asset_key, key) for key in keys}
        return values[keys[0]] if len(keys) == 1 else values

    def _load(self, asset_key: dg.AssetKey, partition: str) -> Any:
        path = self._path(asset_key, partition)
        if not path.exists():
            raise FileMissingError(
                f"A partition of {asset_key.to_user_string()} has no file",
                where=str(path),
                expected=f"the file of partition {partition}",
                got="nothing",
                fix=f"materialise partition {partition} of {asset_key.to_user_string()} first",
            )
        return self.read(path)

    def _path(self, asset_key: dg.AssetKey, partition: str) -> Path:
        return DataDirectory(Path(self.data_dir)).path_of(asset_key.to_user_string(), partition)

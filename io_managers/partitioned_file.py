"""The base of all IO managers: one file a partition, published whole, never deleted first.

A format adds `write` and `read`. Dagster calls `handle_output` and `load_input`; these find the
path, call the format, bring a missing file back from the object store, and turn one that is there
neither into a permanent failure that names key and path.
"""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import dagster as dg

from quarry.data_directory import DataDirectory
from quarry.errors import FileMissingError
from quarry.storage.fallback import bring_back
from quarry.transfer_log import TransferLog
from resources.failures import permanent_failures
from resources.store import ObjectStoreResource


class PartitionedFileIOManager(dg.ConfigurableIOManager):
    """Stores each partition as one file below `data_dir`; `store` may hold second copies."""

    data_dir: str
    store: ObjectStoreResource

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
            values = {key: self._load(context, key) for key in keys}
        return values[keys[0]] if len(keys) == 1 else values

    def _load(self, context: dg.InputContext, partition: str) -> Any:
        """The value of one partition, whose file may have to be fetched first."""
        asset = context.asset_key.to_user_string()
        path = self._path(context.asset_key, partition)
        if not path.exists() and not self._brought_back(context, path, partition):
            raise FileMissingError(
                f"A partition of {asset} has no file",
                where=str(path),
                expected=f"the file of partition {partition}",
                got="nothing here, and no copy in an object store",
                fix=f"materialise partition {partition} of {asset} first",
            )
        return self.read(path)

    def _brought_back(self, context: dg.InputContext, path: Path, partition: str) -> bool:
        """Fetch a missing file from the object store; whether it is here now."""
        if not self.store.is_configured:
            return False
        name = self._directory.object_name(context.asset_key.to_user_string(), partition)
        context.log.info("%s is missing here: asking the object store for %s", path, name)
        return bring_back(
            path, name, self.store.open(), progress=TransferLog(context.log.info, "download")
        )

    def _path(self, asset_key: dg.AssetKey, partition: str) -> Path:
        return self._directory.path_of(asset_key.to_user_string(), partition)

    @property
    def _directory(self) -> DataDirectory:
        return DataDirectory(Path(self.data_dir))

"""The base of all IO managers: one file a partition, published whole, never deleted first.

An asset without partitions has one file, under an empty partition key.

A format adds `write` and `read`. Dagster calls `handle_output` and `load_input`; these find the
path, call the format, bring a missing file back from the object store, and turn one that is there
neither into a permanent failure that names key and path.
"""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from quarry.data_directory import DataDirectory
from quarry.errors import FileMissingError
from quarry.size_text import size_text
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
        with permanent_failures():
            partition = context.asset_partition_key if context.has_asset_partitions else ""
            metadata = self.publish(context.asset_key.to_user_string(), partition, obj)
        context.add_output_metadata(metadata)
        context.log.info(_published(metadata))

    def publish(self, asset: str, partition: str, value: Any) -> dict[str, Any]:
        """Publish the value of a partition, for a step that does so for several of them.

        Returns:
            Metadata for the asset page.

        Raises:
            QuarryError: the value does not verify, or can't be written.
        """
        path = self._directory.path_of(asset, partition)
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = self.write(path, value)
        return {"path": dg.MetadataValue.path(str(path)), **metadata}

    def load_input(self, context: dg.InputContext) -> Any:
        """The value of the one upstream partition, or a dict of them by partition key."""
        asset = context.asset_key.to_user_string()
        keys = list(context.asset_partition_keys) if context.has_asset_partitions else [""]
        with permanent_failures():
            values = {key: self.load(asset, key, context.log.info) for key in keys}
        return values[keys[0]] if len(keys) == 1 else values

    def load(self, asset: str, partition: str, log: Callable[[str], None]) -> Any:
        """The value of one partition, whose file may have to be fetched first.

        Raises:
            FileMissingError: it is neither here nor in an object store.
        """
        path = self._directory.path_of(asset, partition)
        if not path.exists() and not self._brought_back(asset, partition, log):
            raise FileMissingError(
                f"A partition of {asset} has no file",
                where=str(path),
                expected=f"the file of partition {partition}",
                got="nothing here, and no copy in an object store",
                fix=f"materialise partition {partition} of {asset} first",
            )
        return self.read(path)

    def _brought_back(self, asset: str, partition: str, log: Callable[[str], None]) -> bool:
        """Fetch a missing file from the object store; whether it is here now."""
        if not self.store.is_configured:
            return False
        path = self._directory.path_of(asset, partition)
        name = self._directory.object_name(asset, partition)
        log(f"{path} is missing here: asking the object store for {name}")
        return bring_back(path, name, self.store.open(), progress=TransferLog(log, "download"))

    @property
    def _directory(self) -> DataDirectory:
        return DataDirectory(Path(self.data_dir))


def _published(metadata: dict[str, Any]) -> str:
    """What a person looks for in the log of a run: where the file is, and how large."""
    parts = []
    if "size_bytes" in metadata:
        parts.append(size_text(metadata["size_bytes"]))
    if "dagster/row_count" in metadata:
        parts.append(f"{metadata['dagster/row_count']} rows")
    return f"published {metadata['path'].value}" + (f" ({', '.join(parts)})" if parts else "")

"""The data directory as a resource."""

from pathlib import Path

import dagster as dg

from quarry.data_directory import DataDirectory


class FilesResource(dg.ConfigurableResource):
    """Where published files lie on this machine."""

    data_dir: str

    def open(self) -> DataDirectory:
        """The data directory, which need not exist yet."""
        return DataDirectory(Path(self.data_dir))

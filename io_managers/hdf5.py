"""HDF5 files: trajectories and their labelled views, written in staging and published here."""

from pathlib import Path
from typing import Any

from io_managers.partitioned_file import PartitionedFileIOManager
from quarry.trajectory.labelled_view import StagedView
from quarry.trajectory.publication import publish, publish_plain
from quarry.trajectory.published import PublishedFile
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.staging import StagedFile


class Hdf5IOManager(PartitionedFileIOManager):
    """Verifies a staged trajectory file, gives it its final name, and reads published ones."""

    def write(self, path: Path, value: StagedFile | PublishedFile) -> dict[str, Any]:
        """Publish a staged file; nothing appears at `path` unless it verifies.

        A file that is published already and was verified is recorded again, not written.
        """
        manifest = publish(value, path) if isinstance(value, StagedFile) else value.manifest
        return {
            "size_bytes": manifest.size_bytes,
            "blake3": manifest.blake3,
            "dagster/row_count": manifest.n_samples,
        }

    def read(self, path: Path) -> TrajectoryReader:
        """A reader; the caller closes it."""
        return TrajectoryReader(path)


class Hdf5ViewIOManager(PartitionedFileIOManager):
    """Gives a labelled view its final name."""

    def write(self, path: Path, value: StagedView) -> dict[str, Any]:
        """Publish a view."""
        publish_plain(value.path, path)
        return {"size_bytes": value.size_bytes, "dagster/row_count": value.n_samples}

    def read(self, path: Path) -> Path:
        """The view's path: it is made for plain h5py, which follows its links."""
        return path

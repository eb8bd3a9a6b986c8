"""Which model a file was made with, as its header says it, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quarry.catalog_entries import ModelSpec
from quarry.errors import ModelLoadError, UsageError
from quarry.inference.devices import candidates, machine_devices, number_by_bus, parse_devices
from quarry.inference.engine_settings import EngineSettings
from quarry.inference.lease import take_lease
from quarry.inference.lease_file import Holder, default_folder
from quarry.inference.leased_engine import LeasedEngine
from quarry.inference.loading import open_engine
from quarry.keys import checkpoint_path
from quarry.trajectory.layout import TrajectoryHeader
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.verification import verify

_WAIT_S = 3600.0
_DEPTH = 3
"""Folders between the data directory and a file: `trajectories`, shots, model."""


@dataclass(frozen=True)
class FileModel:
    """A checkpoint.

    Args:
        source: a directory, or a hub id.
        revision: of the hub; None for a directory.
    """

    source: str
    revision: str | None = None

    @classmethod
    def given(cls, name: str, revision: str | None) -> FileModel:
        """What a person named: a directory that exists, else a hub id.

        Raises:
            UsageError: a hub id without a revision, which would be another model tomorrow.
        """
        if Path(name).is_dir():
            return cls(name)
        if revision is not None:
            return cls(name, revision)
        raise UsageError(
            "A model can't be named so",
            where=f"--model {name}",
            expected="a directory, or a hub id together with --revision",
            got="no such directory, and no revision",
            fix="correct the path, or add --revision",
        )

    @classmethod
    def of_file(cls, path: Path) -> FileModel:
        """What a published file says of itself.

        Raises:
            IntegrityError: the file is damaged.
            TrajectoryFormatError: it is of an older pipeline, which says nothing.
            ModelLoadError: the model can't be found from here.
        """
        verify(path, level="structure").raise_if_broken()
        with TrajectoryReader(path, is_checked=False) as reader:
            return cls.of(reader.header, data_dir_of(path))

    @classmethod
    def of(cls, header: TrajectoryHeader, data_dir: Path | None) -> FileModel:
        """What a file says of itself.

        Args:
            header: the file's.
            data_dir: where the platform keeps models that it trained; None outside of one.

        Raises:
            ModelLoadError: the model can't be found from here.
        """
        kind, _, place = header.model_source.partition(":")
        if kind == "hub" and header.model_revision:
            return cls(place, header.model_revision)
        if kind == "path" and Path(place).is_dir():
            return cls(place)
        if kind == "recipe" and data_dir is not None:
            trained = data_dir / checkpoint_path(header.model)
            if trained.is_dir():
                return cls(str(trained))
        raise ModelLoadError(
            "The model of a file is not where the file says",
            where=f"{header.model!r} of {header.benchmark}",
            expected="a hub id with revision, or a directory that is there",
            got=f"{header.model_source} {header.model_revision}".strip(),
            fix="name it with --model",
        )

    def open(
        self,
        *,
        device: str = "auto",
        dtype: str = "auto",
        lease_dir: Path | None = None,
        log: Callable[[str], None],
    ) -> LeasedEngine:
        """Lease a device and load the model there with transformers.

        Args:
            device: `auto`, `cpu`, or names such as `cuda:0,cuda:1`, of which one is taken.
            dtype: `auto`, `float32`, `bfloat16` or `float16`.
            lease_dir: where leases are kept; None for the machine's.
            log: takes a line about the lease.

        Raises:
            UsageError: the device or the dtype does not exist.
            DeviceBusyError: no device became free in time.
            ModelLoadError: the checkpoint can't be read.
        """
        spec = self._spec(dtype)
        number_by_bus()
        devices = candidates(parse_devices(device), machine_devices(), where=f"--device {device}")
        holder = Holder.me(f"comparison with {self.source}")
        folder = lease_dir or default_folder()
        lease = take_lease(devices, 1, folder, holder=holder, wait_s=_WAIT_S, log=log)
        try:
            settings = EngineSettings(devices=lease.names)
            return LeasedEngine(open_engine(self.source, spec, None, settings), lease)
        except BaseException:
            lease.release()
            raise

    def _spec(self, dtype: str) -> ModelSpec:
        """The catalog entry that a file's model would have."""
        values = {"prompt_style": "raw", "dtype": dtype, "batch_size": 1}
        if self.revision is None:
            return ModelSpec.model_validate({**values, "path": self.source})
        return ModelSpec.model_validate(
            {**values, "hub_id": self.source, "revision": self.revision}
        )


def data_dir_of(path: Path) -> Path | None:
    """The data directory that a file lies in; None for a file elsewhere."""
    parts = path.resolve().parents
    is_inside = len(parts) > _DEPTH and parts[_DEPTH - 1].name == "trajectories"
    return parts[_DEPTH] if is_inside else None

"""Cells to be damaged and restored: their files, their stores, and what lies where afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from quarry.errors import FileMissingError
from quarry.healing.restoring import Restoration, restore
from quarry.healing.swapping import OnStep
from quarry.keys import TrajectoryKey
from quarry.repair.good_copy import GoodCopy
from quarry.storage.mirror import mirror
from quarry.storage.object_store import ObjectStore
from quarry.trajectory.manifest import Manifest
from quarry.trajectory.report import Expected
from tests.trajectory.examples import publish_example

KEY = TrajectoryKey("demo_base", "gsm8k", 0)
OTHER = TrajectoryKey("demo_math", "gsm8k", 0)
NAME = str(KEY.trajectory_path)


@dataclass
class Cell:
    """One cell of a data directory, published."""

    data_dir: Path
    key: TrajectoryKey = KEY
    lines: list[str] = field(default_factory=list[str])

    @property
    def path(self) -> Path:
        return self.data_dir / self.key.trajectory_path

    @property
    def aside(self) -> Path:
        return self.data_dir / "aside"

    @property
    def expected(self) -> Expected:
        return Expected.of_key(self.key)

    def publish(self, seed: int = 0, **changes: object) -> Manifest:
        names = {"model": self.key.model, "task": self.key.task, "benchmark": self.key.benchmark}
        return publish_example(self.data_dir, seed, **(names | changes))[1]

    def mirror(self, store: ObjectStore) -> None:
        mirror(self.path, str(self.key.trajectory_path), store)

    def restore(self, *sources: GoodCopy, on_step: OnStep | None = None) -> Restoration:
        return restore(
            self.path,
            self.expected,
            sources,
            self.aside,
            log=self.lines.append,
            on_step=on_step,
        )

    def everything(self) -> dict[str, bytes]:
        """Every file of the data directory, hidden ones too."""
        return {
            str(path.relative_to(self.data_dir)): path.read_bytes()
            for path in sorted(self.data_dir.rglob("*"))
            if path.is_file()
        }

    def names(self) -> list[str]:
        """What lies in the cell's folder, without the table's digest."""
        found = (path.name.partition("-")[0] for path in self.path.parent.iterdir())
        return sorted(found)


NAMES_OF_ONE = [
    "gsm8k_trajectories.h5",
    "gsm8k_trajectories.h5.digests",
    "gsm8k_trajectories.h5.manifest.json",
]


class NoCopy:
    """A copy that must not be asked."""

    def manifest(self) -> Manifest:
        raise AssertionError("asked for a manifest")

    def table(self, digest: str) -> bytes:
        raise AssertionError(f"asked for table {digest}")

    def read_range(self, offset: int, size: int) -> bytes:
        raise AssertionError(f"asked for {size} bytes from {offset}")


class EmptyCopy(NoCopy):
    """A copy that is gone."""

    def manifest(self) -> Manifest:
        raise FileMissingError("nothing is there")


def middle(path: Path) -> int:
    return path.stat().st_size // 2

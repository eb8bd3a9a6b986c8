"""The repair of a file while the bucket that has the good copy misbehaves."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

from quarry.errors import IntegrityError
from quarry.repair.repairing import repair
from quarry.storage.mirror import RemoteCopy, mirror
from quarry.trajectory.manifest import manifest_path
from tests.soak.fault_work import GET, NAME, Scene, Work


@dataclass
class Repair(Work):
    """A damaged, cut or lost file, healed from the bucket."""

    damage: str
    places: list[int] = field(default_factory=list[int])

    @property
    def operations(self) -> tuple[str, ...]:
        """Looking up and ranges."""
        return GET

    def prepare(self, scene: Scene) -> None:
        """Mirror the file and damage a copy of it."""
        good = scene.files.published
        mirror(good.path, NAME, scene.sound_store())
        self._bad = good.copy_to(scene.folder / "data")
        self._good = good.path.read_bytes()
        middle = int(scene.rng.integers(len(self._good) // 4, len(self._good) // 2))
        self.places = [middle]
        if self.damage == "lost":
            for path in (self._bad.path, *self._bad.sidecars):
                path.unlink()
        else:
            with self._bad.path.open("r+b") as file:
                file.seek(middle)
                file.write(bytes([self._good[middle] ^ 1]))
        if self.damage == "cut":
            os.truncate(self._bad.path, int(len(self._good) * scene.rng.uniform(0.6, 0.95)))
        if self.damage == "no table":
            next(path for path in self._bad.sidecars if path.suffix == ".npz").unlink()
        if self.damage == "no manifest":
            manifest_path(self._bad.path).unlink()
        self._before = self._wrong_places()

    def act(self, scene: Scene, deadline_s: float) -> None:
        """Heal it; what stays damaged is an error here."""
        copy = RemoteCopy(scene.store(), NAME, deadline_s=deadline_s)
        result = repair(self._bad.path, copy)
        if not result.is_whole:
            raise IntegrityError(
                "A file is not whole", findings=result.findings, where=str(self._bad.path)
            )

    def undone(self, scene: Scene) -> list[str]:
        """The very bytes, and only the three files."""
        wanted = sorted(
            path.name for path in (scene.files.published.path, *scene.files.published.sidecars)
        )
        names = sorted(path.name for path in self._bad.path.parent.iterdir())
        wrong = [] if names == wanted else [f"files: {names}"]
        return wrong + ([] if self._bad.path.read_bytes() == self._good else ["the bytes differ"])

    def harm(self, scene: Scene) -> list[str]:
        """No byte is wrong that was right, and a lost file is not there."""
        now = self._wrong_places()
        return [] if now <= self._before else [f"{len(now - self._before)} more bytes are wrong"]

    def _wrong_places(self) -> set[int]:
        """Offsets at which the file is not what it should be; none of a lost one."""
        if not self._bad.path.exists():
            return set()
        data = self._bad.path.read_bytes().ljust(len(self._good), b"\0")
        pairs = np.frombuffer(data, np.uint8), np.frombuffer(self._good, np.uint8)
        return set(np.flatnonzero(pairs[0][: len(self._good)] != pairs[1]).tolist())

"""Work that is done while a bucket misbehaves, and what must hold when it is done or has failed.

Each kind of work is prepared through a sound connection, done through a new one, and judged by
what lies on the disk and in the bucket, not by what it says of itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quarry.storage.b2 import B2Store
from quarry.storage.mirror import mirror
from tests.b2_server import B2Server
from tests.soak.bucket import open_store, unproven
from tests.soak.corpus import Specimen, make_own
from tests.storage.store_hooks import digest_of, put, write

NAME = "trajectories/0shot/demo_base/gsm8k_trajectories.h5"
OLDER = b"an older file"
CONNECT = ("authorize_account", "list_buckets")
PUT_SMALL = ("list_file_versions", "get_upload_url", "upload_file")
PUT_LARGE = ("list_file_versions", "list_unfinished_large_files", "start_large_file",
             "get_upload_part_url", "upload_part", "finish_large_file")  # fmt: skip
GET = ("list_file_versions", "download_file_by_id")


@dataclass(frozen=True)
class Files:
    """What is sent and brought: of one request, of several parts, and a published file."""

    small: Path
    large: Path
    published: Specimen

    @classmethod
    def make(cls, directory: Path, seed: int) -> Files:
        """Make them."""
        return cls(
            write(directory / "small.bin", 3_000, seed),
            write(directory / "large.bin", 110_000, seed + 1),
            make_own(directory, "published", seed, n_samples=6, max_seq_len=40),
        )


@dataclass
class Scene:
    """One case: a server of its own and a folder of its own.

    Args:
        server: the server.
        folder: an empty folder.
        files: what is sent and brought.
        rng: of the case's draws.
        key: the key to work with; the master key if there is none.
        bucket: the bucket to work with; the server's own if there is none.
    """

    server: B2Server
    folder: Path
    files: Files
    rng: np.random.Generator
    key: tuple[str, str] | None = None
    bucket: str | None = None

    def sound_store(self) -> B2Store:
        """A connection that may do everything."""
        return open_store(self.server, self.folder / "locks")

    def store(self) -> B2Store:
        """A new connection, as the case wants it."""
        return open_store(self.server, self.folder / "locks", self.key, self.bucket)


@dataclass
class Work(ABC):
    """One kind of work; one instance for each case."""

    @property
    @abstractmethod
    def operations(self) -> tuple[str, ...]:
        """The requests that it makes for certain, by name, without those of connecting."""

    @abstractmethod
    def prepare(self, scene: Scene) -> None:
        """Make what the work needs."""

    @abstractmethod
    def act(self, scene: Scene, deadline_s: float) -> None:
        """Do it."""

    @abstractmethod
    def undone(self, scene: Scene) -> list[str]:
        """What is wrong although the work says that it is done."""

    @abstractmethod
    def harm(self, scene: Scene) -> list[str]:
        """What is wrong after the work has failed."""


@dataclass
class Upload(Work):
    """A file into the bucket."""

    is_large: bool

    @property
    def operations(self) -> tuple[str, ...]:
        """Of one request or of parts."""
        return PUT_LARGE if self.is_large else PUT_SMALL

    def prepare(self, scene: Scene) -> None:
        """Choose the file."""
        self._source = scene.files.large if self.is_large else scene.files.small

    def act(self, scene: Scene, deadline_s: float) -> None:
        """Store it."""
        put(scene.store(), self._source, NAME, deadline_s=deadline_s)

    def undone(self, scene: Scene) -> list[str]:
        """One version, with these bytes, and nothing unfinished."""
        there = scene.server.versions()
        wrong = [] if [one.action for one in there] == ["upload"] else [f"versions: {there}"]
        is_same = not wrong and scene.server.content(NAME) == self._source.read_bytes()
        return wrong or ([] if is_same else ["the stored bytes differ"])

    def harm(self, scene: Scene) -> list[str]:
        """Only what is proven may be seen."""
        return unproven(scene.server)


@dataclass
class Download(Work):
    """An object to a file, over an older one or to a new name."""

    is_large: bool
    is_new: bool = False

    @property
    def operations(self) -> tuple[str, ...]:
        """Looking it up, then ranges."""
        return GET

    def prepare(self, scene: Scene) -> None:
        """Store the object."""
        self._source = scene.files.large if self.is_large else scene.files.small
        put(scene.sound_store(), self._source, NAME)
        self._target = scene.folder / "downloads" / "file.h5"
        self.is_new = bool(scene.rng.integers(2))
        if not self.is_new:
            self._target.parent.mkdir()
            self._target.write_bytes(OLDER)

    def act(self, scene: Scene, deadline_s: float) -> None:
        """Bring it."""
        store = scene.store()
        store.download(NAME, self._target, blake3=digest_of(self._source), deadline_s=deadline_s)

    def undone(self, scene: Scene) -> list[str]:
        """These bytes, and nothing beside them."""
        is_same = self._target.read_bytes() == self._source.read_bytes()
        return [] if is_same and self._names() == [self._target.name] else ["the target is wrong"]

    def harm(self, scene: Scene) -> list[str]:
        """The target is what it was."""
        before = [] if self.is_new else [self._target.name]
        if self._names() != before:
            return [f"left in the target's folder: {self._names()}"]
        is_same = self.is_new or self._target.read_bytes() == OLDER
        return [] if is_same else ["the older file was changed"]

    def _names(self) -> list[str]:
        """What lies in the target's folder."""
        folder = self._target.parent
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@dataclass
class ReadRange(Work):
    """Some bytes of an object."""

    got: bytes = b""

    @property
    def operations(self) -> tuple[str, ...]:
        """One request."""
        return ("download_file_by_name",)

    def prepare(self, scene: Scene) -> None:
        """Store the object and draw a range."""
        put(scene.sound_store(), scene.files.large, NAME)
        self._start, self._size = (int(one) for one in scene.rng.integers(1, 50_000, 2))

    def act(self, scene: Scene, deadline_s: float) -> None:
        """Read them."""
        self.got = b""
        self.got = scene.store().read_range(NAME, self._start, self._size, deadline_s=deadline_s)

    def undone(self, scene: Scene) -> list[str]:
        """All of them, as they are."""
        right = scene.files.large.read_bytes()[self._start :][: self._size]
        return [] if self.got == right else ["the range has other bytes"]

    def harm(self, scene: Scene) -> list[str]:
        """Nothing was given."""
        return ["bytes were given"] if self.got else []


@dataclass
class Mirror(Work):
    """A published file with its proofs, manifest last."""

    @property
    def operations(self) -> tuple[str, ...]:
        """The file in parts, its proofs in one request each."""
        return (*PUT_LARGE, *PUT_SMALL[1:])

    def prepare(self, scene: Scene) -> None:
        """Nothing is there."""

    def act(self, scene: Scene, deadline_s: float) -> None:
        """Store the three objects."""
        mirror(scene.files.published.path, NAME, scene.store(), deadline_s=deadline_s)

    def undone(self, scene: Scene) -> list[str]:
        """Three objects, a version each, and nothing unfinished."""
        there = [one.action for one in scene.server.versions()]
        wrong = [] if there == ["upload"] * 3 else [f"versions: {there}"]
        return wrong + self._missing(scene)

    def harm(self, scene: Scene) -> list[str]:
        """A manifest that is visible has its file and its table beside it."""
        seen = scene.server.objects()
        has_manifest = any(name.endswith(".json") for name in seen)
        return unproven(scene.server) + (self._missing(scene) if has_manifest else [])

    def _missing(self, scene: Scene) -> list[str]:
        """Which of the three are absent or different."""
        one, seen = scene.files.published, scene.server.objects()
        names = {
            path: f"{NAME.rpartition('/')[0]}/{path.name}" for path in (one.path, *one.sidecars)
        }
        return [
            f"{name} is absent or different"
            for path, name in names.items()
            if name not in seen or scene.server.content(name) != path.read_bytes()
        ]

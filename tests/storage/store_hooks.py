"""Hooks of a store under test, and the files that its tests store."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from blake3 import blake3

from quarry.storage.object_store import ObjectInfo, ObjectStore

NAME = "trajectories/0shot/toy/gsm8k_trajectories.h5"
BAD_NAMES = ["", "/a", "a/", "a//b", "../a", "a/../b", ".", "a\nb", "a\x7f", "a\\b", "é" * 513]
BAD_NAMES += ["e\u0301", "\ud800", "x" * 251]


def write(path: Path, size_bytes: int, seed: int = 0) -> Path:
    path.write_bytes(random.Random(seed).randbytes(size_bytes))
    return path


def digest_of(path: Path) -> str:
    return blake3(path.read_bytes()).hexdigest()


def put(store: ObjectStore, source: Path, name: str = NAME, **options: object) -> ObjectInfo:
    return store.put(source, name, blake3=digest_of(source), **options)  # type: ignore[arg-type]


@contextmanager
def no_file_above(size_bytes: int) -> Iterator[None]:
    """Let the operating system refuse larger files, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class StoreHooks:
    """Subclasses give the fixture `store` and the three hooks that go behind its back.

    `large_bytes` is the size of a file that the store takes in several pieces.
    """

    large_bytes = 100_000

    @pytest.fixture
    def store(self) -> ObjectStore:
        raise NotImplementedError

    def reopened(self, store: ObjectStore) -> ObjectStore:
        raise NotImplementedError

    def rot(self, store: ObjectStore, info: ObjectInfo) -> None:
        """Change a stored byte."""
        raise NotImplementedError

    def leave_unfinished(self, store: ObjectStore, source: Path, name: str) -> None:
        """What a process that is killed while it uploads leaves."""
        raise NotImplementedError

    @pytest.fixture
    def small(self, tmp_path: Path) -> Path:
        return write(tmp_path / "small.h5", 3_000, seed=1)

    @pytest.fixture
    def large(self, tmp_path: Path) -> Path:
        return write(tmp_path / "large.h5", self.large_bytes, seed=2)

    @pytest.fixture
    def target(self, tmp_path: Path) -> Path:
        return tmp_path / "downloads" / "file.h5"

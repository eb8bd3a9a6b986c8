"""Row 20: hostile names: each is refused by a clear error, or stored for itself inside the base.

Each name is tried as partition key of every asset, as dimension, as object in a directory and in a
bucket over HTTP, and as file that lies about on the disk. At the end everything that was taken must
come back byte for byte, no two names may share a place, and nothing outside may have changed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from quarry.adoption.cell_files import files_in_place
from quarry.adoption.cells import cell_of
from quarry.adoption.old_files import NAME_END, OldFile, find_files
from quarry.data_directory import DataDirectory
from quarry.errors import QuarryError, UnknownNameError, UsageError
from quarry.keys import TrajectoryKey, split_benchmark
from quarry.storage.local import LocalStore
from quarry.storage.object_store import ObjectStore
from tests.b2_server import B2Server
from tests.soak.bucket import open_store
from tests.soak.collector import CATALOG
from tests.soak.hostile_names import hostile_names
from tests.soak.outcome import Outcome, Progress, Tally, silent
from tests.storage.store_hooks import digest_of, put

ROW = 20
CLAIM = "hostile names are refused, or stored injectively inside the base"
BAR = "0 writes outside the base, 0 collisions, 0 unclear refusals, all that was taken comes back"
T = TypeVar("T")
CELL_ASSETS = ("trajectories", "correctness_labels", "labelled_trajectories", "label_changes")
CELLS = [TrajectoryKey(model, "gsm8k", 0) for model in CATALOG.models]
ASSETS = (*CELL_ASSETS, "benchmark_samples", "model_checkpoints")


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` names, each in all places."""
    base, outside = directory / "base", directory / "outside"
    for folder in (base, outside, directory / "work"):
        folder.mkdir(parents=True)
    (outside / "precious").write_bytes(b"precious")
    before = _everything(directory, base)
    tally = Tally(n, progress)
    with B2Server() as server:
        stores = {
            "directory": LocalStore(base / "store"),
            "bucket": open_store(server, base / "locks"),
        }
        places = _Places(DataDirectory(base / "data"), stores, directory / "work", tally.counts)
        for number, name in enumerate(hostile_names(n, seed, outside)):
            wrong = list(places.try_name(name, b"%d" % number))
            tally.case(f"name {number}: {ascii(name)[:120]}", wrong)
        at_the_end = list(places.wrong_at_the_end())
    after = _everything(directory, base)
    for path in sorted(before.keys() ^ after.keys()):
        at_the_end.append(f"outside of the base: {path}")
    at_the_end += [f"changed: {path}" for path in before.keys() & after.keys()
                   if before[path] != after[path]]  # fmt: skip
    counts = tally.counts
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{n} names harmless; of {counts['tries']} tries "
        f"{counts['taken']} taken and read back, {counts['refused']} refused; "
        f"{len(at_the_end)} collisions, losses or changes outside",
        bar=BAR,
        is_met=tally.is_whole and not at_the_end,
        seed=seed,
        misses=(*at_the_end[:10], *tally.misses),
        facts=dict(sorted(counts.items())),
    )


class _Places:
    """All that takes names, and what was taken so far.

    Args:
        data: paths of partitions.
        stores: object stores by what they are.
        work: folder for files that are about to be stored, and for downloads.
        counts: takes what became of the tries.
    """

    def __init__(
        self, data: DataDirectory, stores: dict[str, ObjectStore], work: Path, counts: Counter[str]
    ) -> None:
        self._data = data
        self._stores = stores
        self._source, self._target = work / "source", work / "target"
        self._counts = counts
        self._files: dict[Path, tuple[str, bytes]] = {}
        self._objects: dict[str, dict[str, bytes]] = {name: {} for name in stores}
        self._found, self._other = data.root.with_name("found"), data.root.with_name("other")

    def try_name(self, name: str, content: bytes) -> Iterator[str]:
        """Try a name everywhere; gives what is wrong at once."""
        for asset in ASSETS:
            yield from self._partition(asset, name, content)
            if asset in CELL_ASSETS:
                yield from self._partition(asset, f"gsm8k-0shot|{name}", content + b"model")
                yield from self._partition(asset, f"{name}-0shot|m", content + b"task")
                yield from self._partition(asset, f"{name}|m", content + b"benchmark")
        yield from self._partition("benchmark_samples", f"{name}-0shot", content + b"task")
        yield from self._key(name)
        for what in self._stores:
            yield from self._object(what, name, content)
            yield from self._object(what, f"a/{name}", content + b"below")
            yield from self._object(what, f"{name}/x", content + b"above")
        yield from self._on_disk(name)

    def wrong_at_the_end(self) -> Iterator[str]:
        """Whatever did not come back, once everything was stored."""
        for path, (key, content) in self._files.items():
            if path.read_bytes() != content:
                yield f"the file of {key} has other bytes"
        yield from self._lying_about()
        for what, objects in self._objects.items():
            yield from self._lost_objects(what, objects)

    def _lost_objects(self, what: str, objects: dict[str, bytes]) -> Iterator[str]:
        """Objects of a store that are not what was stored, or not the only ones."""
        store = self._stores[what]
        if [info.name for info in store.objects()] != sorted(objects):
            yield f"{what}: the listing has other names"
        if left := list(store.unfinished()):
            yield f"{what}: unfinished uploads {left[:3]}"
        for name, content in objects.items():
            versions = store.versions(name)
            if len(versions) != 1:
                yield f"{what}: {name!a} has {len(versions)} versions"
                continue
            self._target.unlink(missing_ok=True)
            store.download(name, self._target, blake3=versions[0].blake3 or "")
            in_range = store.read_range(name, 0, 1000)
            if self._target.read_bytes() != content or in_range != content:
                yield f"{what}: {name!a} has other bytes"

    def _partition(self, asset: str, partition: str, content: bytes) -> Iterator[str]:
        """A partition key: a path of its own inside the base, which can be written to."""
        path, wrong = self._taken(lambda: self._data.path_of(asset, partition), UnknownNameError)
        yield from wrong
        if path is None:
            return
        key = f"{asset} {partition!a}"
        if not os.path.normpath(path).startswith(f"{self._data.root}{os.sep}"):
            yield f"{key} leads outside: {path}"
            return
        if path in self._files and self._files[path][0] != key:
            yield f"{key} falls together with {self._files[path][0]}"
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except (OSError, ValueError) as error:
            yield f"{key} was taken and can't be written: {error!a}"
            return
        self._files[path] = (key, content)

    def _key(self, name: str) -> Iterator[str]:
        """A cell's key: what it was made of comes back."""
        for model, benchmark in ((name, "gsm8k-0shot"), ("m", name), (name, f"{name}-0shot")):
            key, wrong = self._taken(
                lambda model=model, benchmark=benchmark: TrajectoryKey.from_dimensions(
                    model, benchmark
                ),
                UnknownNameError,
            )
            yield from wrong
            if key is not None and (key.model, key.benchmark) != (model, benchmark):
                yield f"({model!a}, {benchmark!a}) became {key}"
        key, wrong = self._taken(lambda: TrajectoryKey.from_partition(name), UnknownNameError)
        yield from wrong
        if key is not None and key.partition != name:
            yield f"the partition {name!a} became {key}"
        parts, wrong = self._taken(lambda: split_benchmark(name), UnknownNameError)
        yield from wrong
        if parts is not None and f"{parts[0]}-{parts[1]}shot" != name:
            yield f"the benchmark {name!a} became {parts}"

    def _object(self, what: str, name: str, content: bytes) -> Iterator[str]:
        """An object's name; one that is taken is compared at the end."""
        if name in self._objects[what]:
            return
        self._source.write_bytes(content)
        store = self._stores[what]
        info, wrong = self._taken(lambda: put(store, self._source, name), UsageError)
        yield from wrong
        if info is None:
            return
        self._objects[what][name] = content
        if info.name != name or info.blake3 != digest_of(self._source):
            yield f"{what}: {name!a} was stored as {info}"

    def _on_disk(self, name: str) -> Iterator[str]:
        """A file of this name among older files: its cell is the catalog's or none."""
        for folder in (self._found, self._other / "trajectories" / "0shot"):
            path = Path(f"{folder}/{name}/{name}{NAME_END}")
            if not os.path.normpath(path).startswith(f"{folder}/"):
                continue  # no file below this folder can have this name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"no HDF5")
            except (OSError, ValueError):
                continue  # nor on this system
            guess = cell_of(OldFile(path), CATALOG)
            if guess.key is None and not guess.reason:
                yield f"{str(path)!a} was refused without a reason"
            if guess.key is not None and guess.key not in CELLS:
                yield f"{str(path)!a} became {guess.key}"

    def _lying_about(self) -> Iterator[str]:
        """What is taken for a file of a cell, or found where nothing was put."""
        if found := files_in_place(self._other, CELLS):
            yield f"taken for published files: {found[:3]}"
        for path in find_files(self._found, self._data.root):
            if path.read_bytes() != b"no HDF5":
                yield f"{str(path)!a} was found and never put there"

    def _taken(
        self, call: Callable[[], T], refusal: type[QuarryError]
    ) -> tuple[T | None, list[str]]:
        """What a call gives; none and what is wrong with its error, if it refuses."""
        self._counts["tries"] += 1
        try:
            made = call()
        except refusal as error:
            self._counts["refused"] += 1
            lacking = {"expected", "got", "fix"} - error.parts().keys()
            is_long = len(str(error)) > 1_500
            wrong = [f"the refusal lacks {sorted(lacking)}"] if lacking else []
            return None, wrong + (["the refusal is endless"] if is_long else [])
        except Exception as error:  # noqa: BLE001  any other error is what this row looks for
            return None, [f"{type(error).__name__}: {ascii(str(error))[:200]}"]
        self._counts["taken"] += 1
        return made, []


def _everything(directory: Path, base: Path) -> dict[str, bytes | None]:
    """All paths below a folder but the base and what is being worked on, with their bytes."""
    skipped = (base, directory / "work")
    return {
        str(path): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
        if not any(path.is_relative_to(one) for one in skipped) or path == base
    }

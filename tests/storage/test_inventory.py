"""A listing tells which files are mirrored, which are not, and what belongs to no cell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarry.storage.inventory import Inventory, remote_findings, take_inventory
from quarry.storage.keeping import keep_copy
from quarry.storage.local import LocalStore
from quarry.storage.mirror import mirror
from quarry.storage.object_store import ObjectStore
from quarry.storage.reconciliation import reconcile
from quarry.trajectory.manifest import manifest_path
from tests.b2_server import B2Server
from tests.storage.b2_stores import b2_store
from tests.storage.copy_places import Place
from tests.storage.store_hooks import digest_of
from tests.trajectory.damage import flip_bit
from tests.trajectory.examples import make_header, publish_example

TASKS = ("gsm8k", "logiqa", "humaneval", "mbpp")


@pytest.fixture
def server() -> Iterator[B2Server]:
    with B2Server() as running:
        yield running


@pytest.fixture(params=["directory", "b2"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "directory":
        return LocalStore(tmp_path / "store")
    return b2_store(request.getfixturevalue("server"), tmp_path / "locks")


def grid_in(data_dir: Path) -> dict[str, Path]:
    """Four cells, three of them collected."""
    headers = [make_header(task=task, benchmark=f"{task}-0shot") for task in TASKS]
    for header in headers[:3]:
        publish_example(data_dir, task=header.task, benchmark=header.benchmark)
    return {str(h.key.trajectory_path): data_dir / h.key.trajectory_path for h in headers}


def test_every_state_is_told(store: ObjectStore, tmp_path: Path) -> None:
    files = grid_in(tmp_path / "data")
    first, second, third, fourth = files
    mirror(files[first], first, store)
    mirror(files[second], second, store)
    mirror(files[third], third, store)
    publish_example(tmp_path / "data", seed=5, task="logiqa", benchmark="logiqa-0shot")
    for path in list(files[third].parent.glob("humaneval*")):
        path.unlink()
    stray = "trajectories/0shot/gone_model/gsm8k_trajectories.h5"
    mirror(files[first], stray, store)
    found = take_inventory(files, store)
    states = {entry.name: entry.state for entry in found.entries if entry.state != "orphaned"}
    assert states == {
        first: "matching",
        second: "different",
        third: "remote_only",
        fourth: "absent",
    }
    assert found.counts()["orphaned"] == 3
    assert found.unfinished == ()
    assert found.stored_bytes == sum(info.size_bytes for info in store.objects(""))
    assert found.monthly_cost(6.0) == pytest.approx(found.stored_bytes * 6e-9)


def test_a_file_that_was_never_mirrored_is_missing(store: ObjectStore, tmp_path: Path) -> None:
    files = grid_in(tmp_path / "data")
    assert take_inventory(files, store).counts() == {"missing": 3, "absent": 1}


def test_the_cheap_look_reads_two_kibibytes_and_names_what_differs(
    server: B2Server, tmp_path: Path
) -> None:
    store = b2_store(server, tmp_path / "locks")
    files = grid_in(tmp_path / "data")
    name, path = next(iter(files.items()))
    assert [found.kind for found in remote_findings(path, name, store)] == ["remote_missing"]
    mirror(path, name, store)
    assert remote_findings(path, name, store) == []
    downloads = [one for one in server.requests if one.operation.startswith("download")]
    assert 2048 <= sum(one.bytes_out for one in downloads) <= 4096
    server.rot(name, 100)
    assert [found.kind for found in remote_findings(path, name, store)] == ["remote_damaged"]
    publish_example(tmp_path / "data", seed=3)
    kinds = {found.what for found in remote_findings(path, name, store)}
    assert "The copy is another file: its blake3 differs" in kinds


def test_a_damaged_manifest_counts_as_different(store: ObjectStore, tmp_path: Path) -> None:
    files = grid_in(tmp_path / "data")
    name, path = next(iter(files.items()))
    mirror(path, name, store)
    flip_bit(manifest_path(path), 40)
    states = {entry.name: entry.state for entry in take_inventory(files, store).entries}
    assert states[name] == "different"


def test_the_ledger_is_held_against_the_listing(place: Place, tmp_path: Path) -> None:
    files = grid_in(tmp_path / "data")
    first, second, third, fourth = files
    for name in (first, second):
        keep_copy(files[name], name, place.store, place.ledger)
    mirror(files[third], third, place.store)
    assert take_inventory(files, place.store).recorded_counts() == {}
    found = take_inventory(files, place.store, ledger=place.ledger)
    assert told(found) == dict.fromkeys((first, second), "recorded") | dict.fromkeys(
        (third, fourth), "unrecorded"
    )
    place.lose(second)
    assert told(take_inventory(files, place.store, ledger=place.ledger))[second] == "contradicted"
    reconcile(files, place.store, place.ledger)
    found = take_inventory(files, place.store, ledger=place.ledger)
    assert told(found)[second] == "condemned"
    assert told(found)[third] == "recorded"
    assert found.recorded_counts() == {"recorded": 2, "condemned": 1, "unrecorded": 1}


def told(found: Inventory) -> dict[str, str | None]:
    return {entry.name: entry.recorded for entry in found.entries}


def test_what_would_have_to_be_fetched_is_counted_and_priced(
    store: ObjectStore, tmp_path: Path
) -> None:
    files = grid_in(tmp_path / "data")
    for name, path in files.items():
        if path.exists():
            mirror(path, name, store)
    assert take_inventory(files, store).fetch_bytes == 0
    folder = next(iter(files.values())).parent
    size_bytes = sum(path.stat().st_size for path in folder.iterdir())
    for path in list(folder.iterdir()):
        path.unlink()
    found = take_inventory(files, store)
    assert found.fetch_bytes == found.stored_bytes == size_bytes
    assert found.egress_cost() == 0.0
    assert found.egress_cost(free_ratio=0.5) == pytest.approx(size_bytes / 2 * 1e-11)
    assert found.egress_cost(0.05, free_ratio=0.0) == pytest.approx(size_bytes * 5e-11)
    assert found.monthly_cost() == pytest.approx(size_bytes * 6e-12)


def test_an_inventory_is_plain_values_with_a_digest_of_all_of_it(
    place: Place, tmp_path: Path
) -> None:
    files = grid_in(tmp_path / "data")
    name, path = next(iter(files.items()))
    keep_copy(path, name, place.store, place.ledger)
    digests = [take_inventory(files, place.store).digest]
    assert take_inventory(dict(reversed(files.items())), place.store).digest == digests[0]
    with_ledger = take_inventory(files, place.store, ledger=place.ledger)
    digests.append(with_ledger.digest)
    place.store.put(path, "trajectories/stray", blake3=digest_of(path))
    digests.append(take_inventory(files, place.store).digest)
    place.store.put(path, "trajectories/stray", blake3=digest_of(path), again=True)
    digests.append(take_inventory(files, place.store).digest)
    path.unlink()
    digests.append(take_inventory(files, place.store).digest)
    assert len(set(digests)) == len(digests)
    values = json.loads(json.dumps(with_ledger.as_dict()))
    assert values["digest"] == with_ledger.digest
    assert values["counts"] == {"matching": 1, "missing": 2, "absent": 1}
    row = next(one for one in with_ledger.as_rows() if one["name"] == name)
    assert row == {
        "name": name,
        "state": "matching",
        "size_bytes": with_ledger.entries[0].size_bytes,
        "version": place.current(name).version,
        "proof_bytes": with_ledger.stored_bytes - with_ledger.entries[0].size_bytes,
        "recorded": "recorded",
    }

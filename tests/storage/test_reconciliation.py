"""After a crash ledger and store agree again, for a listing and 2 KiB a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarry.errors import IntegrityError
from quarry.storage.keeping import examine_copy, keep_copy
from quarry.storage.mirror import mirror
from quarry.storage.reconciliation import Reconciliation, reconcile
from quarry.trajectory.manifest import manifest_path
from tests.storage.copy_places import NAME, Place
from tests.storage.store_hooks import digest_of
from tests.trajectory.examples import publish_example

LABELS = "labels/0shot/demo_base/gsm8k_labels.parquet"


@pytest.fixture
def files(tmp_path: Path, published: Path) -> dict[str, Path]:
    """A trajectory file, a table of labels, and a cell that is not collected."""
    labels = tmp_path / "gsm8k_labels.parquet"
    labels.write_bytes(b"PAR1" + bytes(3000) + b"PAR1")
    missing = NAME.replace("gsm8k", "logiqa")
    return {NAME: published, LABELS: labels, missing: published.with_name("logiqa.h5")}


def told(found: Reconciliation) -> dict[str, list[str]]:
    """What is not empty, in names."""
    parts = {
        "confirmed": [one.name for one in found.confirmed],
        "adopted": [one.name for one in found.adopted],
        "lost": [*found.lost],
        "outdated": [*found.outdated],
        "to_keep": [*found.to_keep],
        "findings": [one.kind for one in found.findings],
        "unfinished": [one.name for one in found.unfinished],
    }
    return {name: values for name, values in parts.items() if values}


def keep_all(place: Place, files: dict[str, Path]) -> None:
    for name, path in files.items():
        if path.exists():
            keep_copy(path, name, place.store, place.ledger)


def test_nothing_is_known_of_an_empty_store(place: Place, files: dict[str, Path]) -> None:
    assert told(reconcile(files, place.store, place.ledger)) == {"to_keep": [LABELS, NAME]}
    assert told(reconcile({}, place.store, place.ledger)) == {}


def test_what_is_recorded_and_there_is_confirmed(place: Place, files: dict[str, Path]) -> None:
    keep_all(place, files)
    assert told(reconcile(files, place.store, place.ledger)) == {"confirmed": [LABELS, NAME]}


def test_a_lost_ledger_is_made_anew_without_a_download(
    b2_place: Place, files: dict[str, Path]
) -> None:
    place, server = b2_place, b2_place.server
    assert server is not None
    keep_all(place, files)
    before = [one.name for one in place.ledger.entries(place.store)]
    place.ledger.path.unlink()
    n_requests, n_listings = len(server.requests), server.count("list_file_versions")
    found = reconcile(files, place.store, place.ledger)
    assert told(found) == {"adopted": [LABELS, NAME]}
    assert [one.name for one in place.ledger.entries(place.store)] == before
    place.require_true()
    read = [one for one in server.requests[n_requests:] if one.operation.startswith("download")]
    assert sum(one.bytes_out for one in read) <= 4 * 2048
    assert server.count("list_file_versions") == n_listings + 1


def test_a_damaged_ledger_is_no_empty_one(place: Place, files: dict[str, Path]) -> None:
    place.ledger.path.write_bytes(b"garbage" * 1000)
    with pytest.raises(IntegrityError, match="ledger of copies is damaged"):
        reconcile(files, place.store, place.ledger)


def test_a_copy_without_its_manifest_is_not_adopted(place: Place, files: dict[str, Path]) -> None:
    mirror(files[NAME], NAME, place.store)
    place.lose(f"{NAME}.manifest.json")
    assert told(reconcile(files, place.store, place.ledger)) == {"to_keep": [LABELS, NAME]}
    assert place.ledger.entries(place.store) == []


def test_a_copy_that_begins_with_other_bytes_is_not_adopted(
    place: Place, files: dict[str, Path]
) -> None:
    mirror(files[NAME], NAME, place.store)
    place.rot(NAME, 5)
    found = reconcile({NAME: files[NAME]}, place.store, place.ledger)
    assert told(found) == {"to_keep": [NAME], "findings": ["remote_damaged"]}
    assert place.ledger.entries(place.store) == []


@pytest.mark.parametrize("is_here", [True, False])
def test_a_recorded_copy_that_is_gone_is_lost_until_it_is_stored_again(
    place: Place, files: dict[str, Path], is_here: bool
) -> None:
    keep_all(place, files)
    if not is_here:
        for path in list(files[NAME].parent.glob("*")):
            path.unlink()
    place.lose(NAME)
    expected = {"confirmed": [LABELS], "lost": [NAME], "findings": ["remote_missing"]}
    if is_here:
        expected |= {"to_keep": [NAME]}
    for _ in range(2):
        assert told(reconcile(files, place.store, place.ledger)) == expected
        assert place.ledger.entry(place.store, NAME) is None
        place.require_true()
    if is_here:
        keep_all(place, files)
        assert told(reconcile(files, place.store, place.ledger)) == {"confirmed": [LABELS, NAME]}


def test_a_lost_proof_takes_the_file_with_it(place: Place, files: dict[str, Path]) -> None:
    keep_all(place, files)
    place.lose(f"{NAME}.manifest.json")
    found = reconcile({NAME: files[NAME]}, place.store, place.ledger)
    assert told(found) == {"lost": [NAME], "to_keep": [NAME], "findings": ["remote_missing"]}
    assert place.ledger.entry(place.store, NAME) is None
    assert keep_copy(files[NAME], NAME, place.store, place.ledger).bytes_sent == (
        manifest_path(files[NAME]).stat().st_size
    )


def test_another_file_in_the_place_of_the_copy_is_found(
    place: Place, files: dict[str, Path], tmp_path: Path
) -> None:
    keep_all(place, files)
    other, _ = publish_example(tmp_path / "other", seed=4)
    place.store.put(other, NAME, blake3=digest_of(other))
    found = reconcile({NAME: files[NAME]}, place.store, place.ledger)
    assert told(found) == {"lost": [NAME], "to_keep": [NAME], "findings": ["remote_differs"]}


def test_the_copy_of_an_older_version_is_outdated_and_stays_recorded(
    place: Place, files: dict[str, Path], tmp_path: Path
) -> None:
    keep_all(place, files)
    old = place.ledger.entry(place.store, NAME)
    publish_example(tmp_path, seed=4)
    expected = {"outdated": [NAME], "to_keep": [NAME]}
    assert told(reconcile({NAME: files[NAME]}, place.store, place.ledger)) == expected
    # An upload of the new version that was killed before its manifest.
    place.store.put(files[NAME], NAME, blake3=digest_of(files[NAME]))
    assert told(reconcile({NAME: files[NAME]}, place.store, place.ledger)) == expected
    assert place.ledger.entry(place.store, NAME) == old
    place.require_true()
    keep_all(place, files)
    assert told(reconcile(files, place.store, place.ledger)) == {"confirmed": [LABELS, NAME]}


def test_a_copy_that_a_full_look_condemned_is_not_adopted_again(
    place: Place, files: dict[str, Path]
) -> None:
    keep_all(place, files)
    place.rot(NAME, files[NAME].stat().st_size // 2)
    examine_copy(files[NAME], NAME, place.store, place.ledger, level="full")
    found = reconcile({NAME: files[NAME]}, place.store, place.ledger)
    assert told(found) == {"lost": [NAME], "to_keep": [NAME], "findings": ["remote_damaged"]}
    assert place.ledger.entry(place.store, NAME) is None


def test_entries_of_cells_that_are_gone_are_looked_at_as_well(
    place: Place, files: dict[str, Path]
) -> None:
    stray = "trajectories/0shot/gone/gsm8k_trajectories.h5"
    keep_copy(files[NAME], NAME, place.store, place.ledger)
    keep_copy(files[NAME], stray, place.store, place.ledger)
    cells = {name: path for name, path in files.items() if name.startswith("trajectories/")}
    other = {"trajectories/0shot/x.h5": files[NAME].with_name("x.h5")}
    assert told(reconcile(cells | other, place.store, place.ledger))["confirmed"] == [NAME, stray]
    place.lose(stray)
    found = told(reconcile(cells | other, place.store, place.ledger))
    assert (found["lost"], found["confirmed"]) == ([stray], [NAME])


def test_unfinished_uploads_are_listed(b2_place: Place, files: dict[str, Path]) -> None:
    assert b2_place.server is not None
    bucket = b2_place.server.client_bucket()
    bucket.api.session.start_large_file(bucket.id_, NAME, "application/octet-stream", {})
    found = reconcile({NAME: files[NAME]}, b2_place.store, b2_place.ledger)
    assert told(found) == {"to_keep": [NAME], "unfinished": [NAME]}

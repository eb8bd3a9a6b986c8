"""Properties of names: two of them never fall together, and each comes back as it went in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from urllib.parse import unquote_plus

import pytest
from b2sdk.v3 import b2_url_encode
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quarry.data_directory import DataDirectory
from quarry.errors import UnknownNameError, UsageError
from quarry.keys import TrajectoryKey, split_benchmark
from quarry.storage.local import LocalStore
from quarry.storage.local_layout import object_folder, object_folders
from quarry.storage.names import require_name
from tests.storage.store_hooks import digest_of, put, write

ROOT = Path("/base")
SEGMENTS = st.sampled_from(
    [
        "a",
        "a,v",
        "a,d",
        "a,v,d",
        ",v",
        ",d",
        "a.json",
        "00000001-0123456789ab.json",
        "A",
        "é",
        "%2F",
    ]
)
TEXTS = st.text(max_size=12)
names = st.lists(SEGMENTS | TEXTS, min_size=1, max_size=4).map("/".join)


def taken(name: str) -> str:
    """A name that is one; others are left to the tests of refusals."""
    try:
        return require_name(name)
    except UsageError:
        assume(False)
        raise


@given(first=names, second=names)
@settings(derandomize=True, max_examples=400)
def test_two_objects_share_no_folder_and_none_lies_in_anothers(first: str, second: str) -> None:
    one, other = object_folder(ROOT, taken(first)), object_folder(ROOT, taken(second))
    assert (one == other) == (first == second)
    assert one not in other.parents
    for folder in (one, other):
        assert folder.is_relative_to(ROOT / "objects")
        assert not {".", "..", ""} & set(folder.parts)


@given(name=names)
@settings(derandomize=True, max_examples=400)
def test_a_name_survives_the_address_and_the_headers_of_b2(name: str) -> None:
    escaped = b2_url_encode(taken(name))
    assert escaped.isascii()
    assert escaped.isprintable()
    assert unquote_plus(escaped) == name


def test_an_object_below_anothers_folder_of_versions_is_kept_apart(tmp_path: Path) -> None:
    store, source = LocalStore(tmp_path / "store"), write(tmp_path / "source", 100)
    given_names = ["a", "a,d/b", "a,v,d/b", "a,v/00000001-0123456789ab.json/x", "a,v/b"]
    for name in given_names:
        put(store, source, name)
    put(store, source, "a", again=True)
    assert [info.name for info in store.objects()] == given_names
    assert [info.name for info in store.objects("a,v/")] == given_names[3:]
    assert [name for name, _ in object_folders(store.root, "a,d/")] == ["a,d/b"]
    assert store.sweep_unfinished(datetime.now(UTC) + timedelta(days=1)) == []
    for name in given_names:
        store.download(name, tmp_path / "target", blake3=digest_of(source))


@given(
    asset=st.sampled_from(["benchmark_samples", "model_checkpoints", "trajectories"]), text=TEXTS
)
@settings(derandomize=True, max_examples=400)
def test_a_partition_is_refused_or_lies_below_the_data_directory(asset: str, text: str) -> None:
    for partition in (text, f"gsm8k-0shot|{text}", f"{text}-0shot", f"{text}-0shot|m"):
        try:
            path = DataDirectory(ROOT).path_of(asset, partition)
        except UnknownNameError:
            continue
        assert ".." not in PurePosixPath(path).parts
        assert path.is_relative_to(ROOT)
        assert path != ROOT


@pytest.mark.parametrize("model", ["", "/etc/x", "../x", "a/b", "A", "x" * 101, "a\0b"])
def test_a_checkpoint_has_a_place_of_its_own_or_none(model: str) -> None:
    with pytest.raises(UnknownNameError, match="partition key and path"):
        DataDirectory(ROOT).path_of("model_checkpoints", model)


@pytest.mark.parametrize(
    "benchmark",
    ["gsm8k-00shot", "gsm8k-08shot", "gsm8k-\u0668shot", "gsm8k-\uff18shot", "x" * 95 + "-0shot",
     "gsm8k-" + "9" * 5000 + "shot"],
    ids=["two zeros", "zero in front", "arabic digit", "wide digit", "long", "endless"],
)  # fmt: skip
def test_a_number_of_shots_is_written_in_one_way(benchmark: str) -> None:
    with pytest.raises(UnknownNameError) as raised:
        split_benchmark(benchmark)
    assert len(str(raised.value)) < 1000


def test_fewer_than_no_shots_would_be_another_cell() -> None:
    with pytest.raises(UnknownNameError, match="negative"):
        TrajectoryKey("m", "gsm8k", -1)

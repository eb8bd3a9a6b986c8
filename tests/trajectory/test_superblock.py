"""Truncation and unclean close are seen from a file's first bytes, whatever its format version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from quarry.trajectory.superblock import Superblock, SuperblockError, read_superblock
from quarry.trajectory.verification import verify
from quarry.trajectory.verify_light import check_light

VARIANTS: dict[str, tuple[int, dict[str, Any]]] = {
    "v0": (0, {"libver": "earliest"}),
    "v0 user block": (0, {"libver": "earliest", "userblock_size": 1024}),
    "v2": (2, {"libver": ("v108", "v108")}),
    "v2 user block": (2, {"libver": ("v108", "v108"), "userblock_size": 512}),
    "v3": (3, {"libver": ("v110", "v110")}),
    "v3 user block": (3, {"libver": ("v110", "v110"), "userblock_size": 2048}),
    "paged": (3, {"libver": ("v110", "v110"), "fs_strategy": "page"}),
}


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, int, int]:
    version, options = VARIANTS[request.param]
    path = tmp_path / "file.h5"
    with h5py.File(path, "w", **options) as file:
        file["data"] = np.arange(2000)
        file.attrs["note"] = "x" * 100
    return path, version, options.get("userblock_size", 0)


def read(path: Path) -> Superblock:
    raw = path.read_bytes()
    return read_superblock(lambda offset, size: raw[offset : offset + size], len(raw))


def test_each_version_stores_the_size_of_the_file(variant: tuple[Path, int, int]) -> None:
    path, version, offset = variant
    superblock = read(path)
    assert superblock == Superblock(version, offset, path.stat().st_size, 0)


def test_version_1_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file["data"] = np.arange(10)
    raw = bytearray(path.read_bytes())
    # Version 1 has four more bytes (indexed storage K, reserved) before the addresses.
    raw[8] = 1
    raw[24:24] = b"\x20\0\0\0"
    superblock = read_superblock(lambda at, size: bytes(raw[at : at + size]), len(raw))
    assert (superblock.version, superblock.eof) == (1, path.stat().st_size)


def test_every_truncation_is_flagged_by_the_light_level(variant: tuple[Path, int, int]) -> None:
    path, _, _ = variant
    size = path.stat().st_size
    rng = np.random.default_rng(5)
    offsets = {*range(97), *rng.integers(0, size, 60).tolist(), size - 1}
    for offset in sorted(offsets, reverse=True):
        os.truncate(path, offset)
        kinds = {found.kind for found in check_light(path).findings}
        assert kinds & {"truncated", "no_signature", "empty", "bad_superblock"}, offset


def test_trailing_bytes_are_flagged(variant: tuple[Path, int, int]) -> None:
    path, _, _ = variant
    with path.open("ab") as file:
        file.write(b"\0" * 7)
    found = [found for found in check_light(path).findings if found.kind == "trailing_bytes"]
    assert len(found) == 1
    assert found[0].what.startswith("7 bytes follow")


def test_a_file_that_is_still_open_is_flagged(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        file["data"] = np.arange(10)
        file.flush()
        report = verify(path, level="structure")
    assert "open_for_write" in report.kinds()
    assert report.checks_run == ("file_complete",)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"no hdf5 file" * 100, "no_signature"),
        (b"\x89HDF", "truncated"),
        (b"\x89HDF\r\n\x1a\n\x09" + bytes(90), "bad_superblock"),
        (b"\x89HDF\r\n\x1a\n\x03\x07" + bytes(90), "bad_superblock"),
        (b"\x89HDF\r\n\x1a\n\x03\x08\x08\0" + bytes(10), "truncated"),
    ],
)
def test_what_is_no_superblock_has_a_kind(head: bytes, kind: str) -> None:
    with pytest.raises(SuperblockError) as caught:
        read_superblock(lambda offset, size: head[offset : offset + size], len(head))
    assert caught.value.kind == kind


def test_light_reads_at_most_4_kib_of_a_huge_file(tmp_path: Path, pristine: Path) -> None:
    huge = tmp_path / "huge.h5"
    for source in (pristine.read_bytes(), b"nothing"):
        huge.write_bytes(source)
        os.truncate(huge, 40 << 30)
        first, second = bytes_read(), bytes_read()
        findings = check_light(huge).findings
        own = second - first
        assert bytes_read() - second - own <= 4096 + 16  # digits of the counters grow
        assert {found.kind for found in findings} & {"trailing_bytes", "no_signature"}


def bytes_read() -> int:
    """Bytes that this thread has read so far, which this reading adds to."""
    return int(Path("/proc/thread-self/io").read_text().split()[1])

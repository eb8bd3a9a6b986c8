"""The HDF5 superblock, read by hand from a file's first bytes: is the file as long as it says?

HDF5 itself is not used: it hangs or crashes on some damaged files. The same few bytes can be
fetched from an object store, so `read_superblock` takes a function that reads a range.

Source: HDF5 File Format Specification, section II.A; offsets checked with h5py 3.16 for versions 0
to 3, with user blocks. The stored end-of-file counts from the start of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SIGNATURE = b"\x89HDF\r\n\x1a\n"
READ_BYTES = 64
_FIRST_USER_BLOCK = 512
_OPEN_FOR_WRITE = 1
_OPEN_BY_SWMR_WRITER = 4

ReadAt = Callable[[int, int], bytes]
"""`(offset, size_bytes) -> bytes`, fewer where the file ends."""


@dataclass(frozen=True)
class Superblock:
    """What the superblock says of the file.

    Args:
        version: 0 to 3; flags exist from 3 on.
        offset: where it lies: 0, or the size of a user block.
        eof: size that the file should have, in bytes.
        flags: consistency flags; 0 where the version has none.
    """

    version: int
    offset: int
    eof: int
    flags: int

    @property
    def is_open_for_write(self) -> bool:
        """Whether the file was not closed by its writer."""
        return self.version >= 3 and bool(self.flags & (_OPEN_FOR_WRITE | _OPEN_BY_SWMR_WRITER))


class SuperblockError(Exception):
    """The first bytes are no superblock; turned into a finding by `verify_light`.

    Args:
        kind: `no_signature`, `truncated` or `bad_superblock`.
        got: what was found.
    """

    def __init__(self, kind: str, got: str) -> None:
        super().__init__(got)
        self.kind = kind
        self.got = got


def read_superblock(read_at: ReadAt, size_bytes: int) -> Superblock:
    """Find and read the superblock: at 0, else at 512, 1024, 2048, ...

    Raises:
        SuperblockError: there is none, or it is cut or senseless.
    """
    offset = 0
    while offset < size_bytes:
        head = read_at(offset, READ_BYTES)
        if head.startswith(SIGNATURE):
            return _parse(head, offset)
        if offset == 0 and len(head) < len(SIGNATURE) and SIGNATURE.startswith(head):
            raise SuperblockError("truncated", f"{size_bytes} bytes")
        offset = max(_FIRST_USER_BLOCK, 2 * offset)
    first = read_at(0, len(SIGNATURE)).hex(" ")
    raise SuperblockError("no_signature", f"first bytes {first}")


def _parse(head: bytes, offset: int) -> Superblock:
    """Read the fields of one version."""
    if len(head) < 16:
        raise SuperblockError("truncated", f"{len(head)} bytes of superblock")
    version = head[8]
    if version > 3:
        raise SuperblockError("bad_superblock", f"superblock version {version}")
    size = head[13] if version < 2 else head[9]
    if size not in (2, 4, 8):
        raise SuperblockError("bad_superblock", f"size of offsets {size}")
    # Versions 0 and 1: base, free-space and end-of-file address; 2 and 3: base, extension, end.
    start = {0: 24, 1: 28}.get(version, 12) + 2 * size
    if len(head) < start + size:
        raise SuperblockError("truncated", f"{len(head)} bytes of superblock")
    eof = int.from_bytes(head[start : start + size], "little")
    return Superblock(version, offset, eof, head[11] if version == 3 else 0)

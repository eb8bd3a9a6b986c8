"""Shards of the candidates: their names, and in which of them a problem is."""

from __future__ import annotations

from hashlib import blake2b

_PREFIX = "shard-"


def shard_names(n_shards: int) -> list[str]:
    """The shards of a pool, such as `shard-00`; names sort as their numbers do."""
    width = max(2, len(str(n_shards - 1)))
    return [f"{_PREFIX}{number:0{width}d}" for number in range(n_shards)]


def shard_of(problem_id: str, n_shards: int) -> str:
    """The shard of a problem: by hash of its id, so that it stays there when the pool grows."""
    digest = blake2b(problem_id.encode(), digest_size=8).digest()
    return shard_names(n_shards)[int.from_bytes(digest, "big") % n_shards]

"""Draws n samples by hash of (seed, id).

A draw does not depend on the order of the input, a larger draw begins with the smaller one, and
new samples in the source displace only as many as they take the place of.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from quarry.errors import RecordError
from quarry.samples import Sample


def draw_rank(seed: int, sample_id: str) -> bytes:
    """The place of a sample in the order of a seed: the digest of `<seed>:<id>`."""
    return blake2b(f"{seed}:{sample_id}".encode(), digest_size=16).digest()


def draw_samples(samples: Iterable[Sample], n: int, seed: int) -> list[Sample]:
    """The `n` samples with the smallest hashes, in the order of their hashes.

    All samples come back, in that order, where there are no more than `n`.

    Raises:
        RecordError: two samples have the same id.
    """
    by_id: dict[str, Sample] = {}
    for sample in samples:
        if by_id.setdefault(sample.id, sample) is not sample:
            raise RecordError(
                "Two samples of a benchmark have the same id",
                where=sample.id,
                expected="each id once",
                got="twice",
                fix="remove the repeated record from the source",
            )
    ranked = sorted(by_id.values(), key=lambda sample: (draw_rank(seed, sample.id), sample.id))
    return ranked[: max(n, 0)]

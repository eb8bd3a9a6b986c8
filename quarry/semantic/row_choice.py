"""Which rows of a file are run again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from quarry.benchmarks.draw import draw_rank


def choose_rows(
    sample_ids: Sequence[str], lengths: npt.NDArray[np.integer], n_rows: int, seed: int
) -> list[int]:
    """Positions of the rows to compare, in the order of the file.

    From two rows on, one is the longest: sliding windows, limits and batches with much padding go
    wrong there first. The others are drawn by hash of seed and sample id, so that another seed
    looks at other rows.

    Args:
        sample_ids: ids of all rows.
        lengths: `(n_samples,)` number of stored states of each row.
        n_rows: how many; 0 or more than there are means all.
        seed: seed of the draw.
    """
    n_samples = len(sample_ids)
    if n_rows <= 0 or n_rows >= n_samples:
        return list(range(n_samples))
    ranked = sorted(range(n_samples), key=lambda index: draw_rank(seed, sample_ids[index]))
    chosen = [int(np.argmax(lengths))] if n_rows > 1 else []
    chosen += [index for index in ranked if index not in chosen]
    return sorted(chosen[:n_rows])

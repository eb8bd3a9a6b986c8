"""Near duplicates: candidates from MinHash sketches, each confirmed by the exact score.

The score is the Jaccard index of the texts' single words and pairs of neighbours, the order of
sentences counting for little. Source: Broder, "On the resemblance and containment of documents",
1997; Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3.
"""

# rensa ships no types
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import rensa

from quarry.leakage.grams import Words
from quarry.leakage.settings import OverlapSettings

Shingles = frozenset[bytes]

_rensa: Any = rensa


def shingles_of(words: Words) -> Shingles:
    """The words of a text, and each two that follow one another."""
    both = [*words, *(f"{first} {second}" for first, second in pairwise(words))]
    # a sketch is of bytes; a lone surrogate has no UTF-8
    return frozenset(text.encode("utf-8", "surrogatepass") for text in both)


def jaccard(some: Shingles, others: Shingles) -> float:
    """Shared shingles by all shingles, 0 .. 1."""
    shared = len(some & others)
    return shared / (len(some) + len(others) - shared) if shared else 0.0


class NearIndex:
    """Finds the texts that are near to others.

    Args:
        texts: words of each text, known by its place; no text is empty.
        settings: sketch, seed and smallest score.
    """

    def __init__(self, texts: Sequence[Words], settings: OverlapSettings) -> None:
        """Sketch every text."""
        self._settings = settings
        self._shingles = [shingles_of(words) for words in texts]
        n_hashes = settings.n_bands * settings.band_rows
        self._index: Any = _rensa.RMinHashLSH(settings.near_score, n_hashes, settings.n_bands)
        self._index.insert_pairs(list(enumerate(self._sketches(self._shingles))))

    def near(self, others: Sequence[Words]) -> Iterator[tuple[int, int, float]]:
        """Places of a text and of another text that are near, and their score."""
        shingles = [shingles_of(words) for words in others]
        candidates: list[list[int]] = self._index.query_all(self._sketches(shingles))
        for other, places in enumerate(candidates):
            for place in places:
                score = jaccard(self._shingles[place], shingles[other])
                if score >= self._settings.near_score:
                    yield place, other, score

    def share(self, place: int, other: Words) -> float:
        """Share of a text's words and pairs of words that another text holds, 0 .. 1."""
        shingles = self._shingles[place]
        return len(shingles & shingles_of(other)) / len(shingles)

    def _sketches(self, shingles: Sequence[Shingles]) -> list[Any]:
        n_hashes = self._settings.n_bands * self._settings.band_rows
        return _rensa.RMinHash.from_token_sets(
            [list(tokens) for tokens in shingles], n_hashes, self._settings.seed
        )

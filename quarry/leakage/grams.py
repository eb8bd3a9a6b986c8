"""Runs of words that texts share: n-grams of words, and shared instructions taken out of texts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence, Set

Words = Sequence[str]


def grams_of(words: Words, n: int) -> set[str]:
    """All runs of `n` words; none of a shorter text."""
    return {" ".join(words[start : start + n]) for start in range(len(words) - n + 1)}


def common_grams(texts: Sequence[Words], n: int, most_texts: int) -> frozenset[str]:
    """The n-grams that occur in more than `most_texts` of the texts."""
    counts: Counter[str] = Counter()
    for words in texts:
        counts.update(grams_of(words, n))
    return frozenset(gram for gram, count in counts.items() if count > most_texts)


def without(words: list[str], common: Set[str], n: int) -> list[str]:
    """The words that no common n-gram covers; all of them where none would be left."""
    if not common or common.isdisjoint(grams_of(words, n)):
        return words
    is_kept = [True] * len(words)
    for start in range(len(words) - n + 1):
        if " ".join(words[start : start + n]) in common:
            is_kept[start : start + n] = [False] * n
    return [word for word, kept in zip(words, is_kept, strict=True) if kept] or words


class GramIndex:
    """Which texts hold which n-grams.

    A text under `n` words is held as one gram, itself; under `shortest` not at all.

    Args:
        texts: words of each text, known by its place.
        n: words of a gram.
        shortest: words of the shortest text that is held.
    """

    def __init__(self, texts: Sequence[Words], n: int, shortest: int) -> None:
        """Cut every text into its grams."""
        self._places: defaultdict[int, dict[str, list[int]]] = defaultdict(dict)
        self._n_grams: dict[int, int] = {}
        for place, words in enumerate(texts):
            if len(words) < shortest:
                continue
            length = min(n, len(words))
            grams = grams_of(words, length)
            self._n_grams[place] = len(grams)
            for gram in grams:
                self._places[length].setdefault(gram, []).append(place)

    def shares_with(self, words: Words) -> Iterator[tuple[int, float]]:
        """Places of texts that share a gram with these words, and the share of their grams."""
        counts: Counter[int] = Counter()
        for length, places in self._places.items():
            for gram in places.keys() & grams_of(words, length):
                counts.update(places[gram])
        for place, count in counts.items():
            yield place, count / self._n_grams[place]

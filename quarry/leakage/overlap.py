"""Finds texts that occur in other sets of texts: as they are, in runs of words, or nearly.

Every text is first reduced to its words (`quarry.leakage.words`). Then three looks, one overlap a
pair and kind:

    exact   the same words in the same order
    ngram   a run of 13 words in common; a text of 8 to 12 words occurs as a whole
    near    at least 0.4 of the words and pairs of words in common

An exact pair is not listed again as the others. The second look finds a text inside a longer one,
the third one that was reworded throughout. A short text inside an item is not looked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from quarry.findings import Severity
from quarry.leakage.grams import GramIndex, common_grams, without
from quarry.leakage.near import NearIndex
from quarry.leakage.settings import OverlapSettings
from quarry.leakage.words import have_same_numbers, words_of

OverlapKind = Literal["exact", "ngram", "near"]
Progress = Callable[[int, int], None]
"""Called with the texts that were compared and how many there are."""

KINDS: Final[tuple[OverlapKind, ...]] = ("exact", "ngram", "near")
_AT_ONCE = 2000


@dataclass(frozen=True)
class Overlap:
    """A text that another text holds or resembles.

    Args:
        item_id: the text that was looked for.
        set_name: the set in which it was found.
        other_id: the text of that set.
        kind: how it was found.
        score: 1 for `exact`; for `ngram` the share of the item's n-grams that the other text
            holds; for `near` the Jaccard index; all 0 .. 1.
        has_same_numbers: all numbers of one of both texts occur, as often, in the other one.
        is_leak: it is the same text or problem. Otherwise a relative: a sibling made from the
            same template with other numbers, or a passage in common.
    """

    item_id: str
    set_name: str
    other_id: str
    kind: OverlapKind
    score: float
    has_same_numbers: bool
    is_leak: bool

    @property
    def severity(self) -> Severity:
        """A leak is an error, a relative a warning."""
        return "error" if self.is_leak else "warning"

    def as_dict(self) -> dict[str, Any]:
        """A plain dict for JSON and for tables."""
        return asdict(self)


def find_overlap(
    items: Mapping[str, str],
    sets: Mapping[str, Mapping[str, str]],
    settings: OverlapSettings | None = None,
    progress: Progress | None = None,
) -> list[Overlap]:
    """All overlaps of items with the texts of sets.

    The same call gives the same list. Near duplicates are found with the probability
    `settings.chance(score)`, 98 % at a score of 0.4 and 99.98 % at 0.5; everything else surely.

    Args:
        items: texts by id. All are kept in memory, cut to pieces: about 30 kB a text of 50 words.
        sets: texts by id, by name of the set; compared in parts, so that memory stays bounded.
        settings: what counts as overlap.
        progress: told how many texts of the sets were compared.

    Returns:
        Overlaps in the order of the items, of the sets and of `KINDS`, higher scores first.
    """
    finder = _Finder(items, settings or OverlapSettings())
    total = sum(len(others) for others in sets.values())
    found: list[Overlap] = []
    done = 0
    for name, others in sets.items():
        ids = list(others)
        for start in range(0, len(ids), _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            found.extend(finder.compare(name, part, [words_of(others[id_]) for id_ in part]))
            done += len(part)
            if progress:
                progress(done, total)
    places = {id_: place for place, id_ in enumerate(items)}
    order = {name: place for place, name in enumerate(sets)}
    found.sort(
        key=lambda one: (
            places[one.item_id],
            order[one.set_name],
            KINDS.index(one.kind),
            -one.score,
            one.other_id,
        )
    )
    return found


class _Finder:
    """The items, ready to be compared; equal ones are compared once."""

    def __init__(self, items: Mapping[str, str], settings: OverlapSettings) -> None:
        self._settings, self._enough = settings, settings.leak_share
        ids: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for id_, text in items.items():
            ids[tuple(words_of(text))].append(id_)
        ids.pop((), None)
        self._ids = list(ids.values())
        self._words = [list(words) for words in ids]
        self._place_of = {" ".join(words): place for place, words in enumerate(ids)}
        n, most = settings.gram_words, settings.common_texts
        self._common = frozenset[str]() if most is None else common_grams(self._words, n, most)
        own = [self._own(words) for words in self._words]
        self._grams = GramIndex(own, n, settings.shortest_words)
        self._near = NearIndex(own, settings)

    def compare(
        self, set_name: str, other_ids: Sequence[str], others: Sequence[list[str]]
    ) -> Iterator[Overlap]:
        """Overlaps with some texts of a set, given as words."""
        own = [self._own(words) for words in others]
        for other, place, kind, score in self._hits(others, own):
            has_same = have_same_numbers(self._words[place], others[other])
            is_enough = kind != "ngram" or self._near.share(place, own[other]) >= self._enough
            is_leak = kind == "exact" or (has_same and is_enough)
            for item_id in self._ids[place]:
                yield Overlap(item_id, set_name, other_ids[other], kind, score, has_same, is_leak)

    def _hits(
        self, others: Sequence[list[str]], own: Sequence[list[str]]
    ) -> Iterator[tuple[int, int, OverlapKind, float]]:
        """Place of the other text, place of the item, kind and score."""
        exact = {
            other: self._place_of[text]
            for other, text in enumerate(map(" ".join, others))
            if text in self._place_of
        }
        for other, place in exact.items():
            yield other, place, "exact", 1.0
        for other, words in enumerate(own):
            for place, share in self._grams.shares_with(words):
                if exact.get(other) != place:
                    yield other, place, "ngram", share
        for place, other, score in self._near.near(own):
            if exact.get(other) != place:
                yield other, place, "near", score

    def _own(self, words: list[str]) -> list[str]:
        """A text's words without the instructions that it shares with many items."""
        return without(words, self._common, self._settings.gram_words)

"""What counts as overlap and as a leak; measured on GSM8K, see `docs/decisions/0026-leakage.md`."""

from __future__ import annotations

from dataclasses import dataclass

from quarry.errors import UsageError


@dataclass(frozen=True)
class OverlapSettings:
    """How two texts are compared.

    Args:
        gram_words: words of an n-gram.
        shortest_words: texts with fewer words are compared as wholes only, since their words
            occur together everywhere.
        common_texts: an n-gram in more texts than so many is an instruction that they share, and
            its words are not compared; None compares all.
        near_score: smallest Jaccard score of texts that are near duplicates, 0 .. 1.
        leak_share: share of a text's words and pairs of words in another text with which it shares
            an n-gram that makes it a leak, 0 .. 1.
        n_bands: bands of a sketch; more find more pairs.
        band_rows: hashes of a band; fewer find more pairs, and more that are discarded.
        seed: of the sketches.
    """

    gram_words: int = 13
    shortest_words: int = 8
    common_texts: int | None = 10
    near_score: float = 0.4
    leak_share: float = 0.6
    n_bands: int = 64
    band_rows: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        whole = {name: getattr(self, name) for name in ("gram_words", "n_bands", "band_rows")}
        wrong = {name: number for name, number in whole.items() if number < 1}
        shares = {"near_score": self.near_score, "leak_share": self.leak_share}
        wrong |= {name: share for name, share in shares.items() if not 0 < share <= 1}
        if not 1 <= self.shortest_words <= self.gram_words:
            wrong["shortest_words"] = self.shortest_words
        if wrong:
            raise UsageError(
                "Texts can't be compared in this way",
                where=", ".join(wrong),
                expected="sizes of 1 and more, scores above 0 up to 1, and shortest_words up to "
                "gram_words",
                got=", ".join(str(number) for number in wrong.values()),
                fix="correct the settings",
            )

    def chance(self, score: float) -> float:
        """The probability that two texts of this Jaccard score are compared at all, 0 .. 1."""
        return 1 - (1 - score**self.band_rows) ** self.n_bands

"""Finding texts again: how many, how often wrongly, how fast.

`python bench/leakage.py [--items 10000] [--others 100000] [--seed 0]`. Texts are those of GSM8K,
LogiQA, HumanEval and MBPP in `../shared/data`; without them, made-up word problems. The large sets
are made of GSM8K's sentences in new company, so that words and lengths are real and most pairs are
strangers. All pairs are compared on a part of them in the same run; ratios are taken there.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import TypeVar

from side_by_side import show

from quarry.benchmarks.source import BenchmarkSource
from quarry.leakage.edits import EDITS
from quarry.leakage.grams import grams_of
from quarry.leakage.near import jaccard, shingles_of
from quarry.leakage.overlap import find_overlap
from quarry.leakage.recall import measure_recall
from quarry.leakage.settings import OverlapSettings
from quarry.leakage.words import words_of
from quarry.toy.arithmetic import arithmetic_records

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = (("gsm8k", "train"), ("logiqa", "test"), ("humaneval", "test"), ("mbpp", "test"))
Texts = dict[str, str]
T = TypeVar("T")


def main() -> None:
    """Recall, false alarms, then time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--others", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    texts, sets = sources()
    recall(texts, asked.seed)
    false_alarms(texts, sets)
    many = [*texts.values(), *sets.get("gsm8k train", {}).values()]
    against_all_pairs(many, asked.seed)
    at_size(many, asked.items, asked.others, asked.seed)


def sources() -> tuple[Texts, dict[str, Texts]]:
    """The texts to look for, and sets to look in."""
    if not SHARED.is_dir():
        records = arithmetic_records(4000, 1000, 0)
        split = {
            name: {f"{name}_{row}": one["question"] for row, one in enumerate(rows)}
            for name, rows in records.items()
        }
        return split["test"], {"toy train": split["train"]}
    source = BenchmarkSource(SHARED)
    load = {
        f"{task} {split}": {sample.id: sample.input for sample in source.load(task, split)}
        for task, split in (("gsm8k", "test"), *SETS)
    }
    return load.pop("gsm8k test"), load


def recall(texts: Texts, seed: int) -> None:
    """What is found of planted copies."""
    show(f"\nCopies of {len(texts):,} texts, seed {seed}")
    head = f"{'found':>9}{'as leak':>9}{'exact':>9}{'ngram':>9}{'near':>9}{'others':>9}"
    show(f"{'':<48}{'copies':>7}{head}")
    for one in measure_recall(texts, seed):
        counts = (one.n_found, one.n_leaks, *one.n_by_kind.values())
        shares = "".join(f"{count / one.n_planted:>9.1%}" for count in counts if one.n_planted)
        show(f"{one.edit:<48}{one.n_planted:>7}{shares}{one.n_false:>9}")


def false_alarms(texts: Texts, sets: Mapping[str, Texts]) -> None:
    """What is found where nothing was planted."""
    show(f"\nNothing planted, {len(texts):,} texts")
    show(f"{'':<30}{'pairs':>14}{'leaks':>8}{'relatives':>11}")
    for name, others in sets.items():
        overlaps = find_overlap(texts, {name: others})
        pairs = {(one.item_id, one.other_id): False for one in overlaps}
        pairs |= {(one.item_id, one.other_id): True for one in overlaps if one.is_leak}
        n_leaks = sum(pairs.values())
        n_pairs = len(texts) * len(others)
        show(f"{name:<30}{n_pairs:>14,}{n_leaks:>8}{len(pairs) - n_leaks:>11}")


def mixed(texts: list[str], n: int, seed: str) -> Texts:
    """Texts of sentences from different problems, a hundredth of them reworded copies of others."""
    random = Random(seed)
    sentences = [one for text in texts for one in text.split(". ")]
    made: list[str] = []
    edits = [EDITS["10 % of words replaced"], EDITS["names and numbers replaced"]]
    for _ in range(n):
        if random.random() < 0.01:
            made.append(random.choice(edits)(random.choice(texts), random))
        else:
            made.append(". ".join(random.sample(sentences, random.randint(2, 5))))
    return {f"{seed}-{row}": text for row, text in enumerate(made)}


def against_all_pairs(texts: list[str], seed: int) -> None:
    """Time and findings beside those of comparing every pair."""
    items, others = mixed(texts, 400, f"{seed}:a"), mixed(texts, 4000, f"{seed}:b")
    items |= {f"real-{row}": text for row, text in enumerate(texts[:100])}
    settings = OverlapSettings(common_texts=None)
    rounds = [
        (
            timed(lambda: all_pairs(items, others, settings)),
            timed(lambda: find_overlap(items, {"": others}, settings)),
        )
        for _ in range(3)
    ]
    (naive, _), (found, _) = rounds[0]
    pairs = {(one.item_id, one.other_id) for one in found}
    ratio = statistics.median(naive_s / found_s for (_, naive_s), (_, found_s) in rounds)
    show(f"\nBeside all {len(items) * len(others):,} pairs: {ratio:.0f} x as fast")
    show(
        f"pairs that overlap {len(naive)}, found {len(naive & pairs)}, others {len(pairs - naive)}"
    )


def all_pairs(items: Texts, others: Texts, settings: OverlapSettings) -> set[tuple[str, str]]:
    """Pairs with a common n-gram or a near score, every pair compared."""
    n = settings.gram_words
    theirs = [(id_, *parts(text, n)) for id_, text in others.items()]
    return {
        (id_, other)
        for id_, text in items.items()
        for shingles, grams in [parts(text, n)]
        for other, other_shingles, other_grams in theirs
        if not grams.isdisjoint(other_grams)
        or jaccard(shingles, other_shingles) >= settings.near_score
    }


def parts(text: str, n: int) -> tuple[frozenset[bytes], set[str]]:
    """What a text is compared by."""
    words = words_of(text)
    return shingles_of(words), grams_of(words, n)


def at_size(texts: list[str], n_items: int, n_others: int, seed: int) -> None:
    """Time and memory at the size of a training set."""
    items, others = mixed(texts, n_items, f"{seed}:c"), mixed(texts, n_others, f"{seed}:d")
    before = peak_mb()
    overlaps, took_s = timed(lambda: find_overlap(items, {"": others}))
    show(
        f"\n{n_items:,} items against {n_others:,} texts: {took_s:.1f} s, "
        f"{peak_mb() - before:,.0f} MB beyond the texts, {len(overlaps):,} overlaps"
    )


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """A result and the seconds that it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def peak_mb() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()

"""Worked examples of n-shot prompts: their choice, and the check that none of them is graded.

How an exemplar is written into a prompt belongs into `quarry.prompts`; turning an MBPP problem
into a HumanEval-style stub, into `stubs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quarry.benchmarks.draw import draw_samples
from quarry.errors import SourceMissingError
from quarry.findings import Finding
from quarry.samples import Sample

CHECK_NAME = "exemplars_disjoint"


def choose_exemplars(samples: Sequence[Sample], n: int, seed: int) -> list[Sample]:
    """`n` exemplars by hash of (seed, id); the same for every prompt of a benchmark.

    Raises:
        SourceMissingError: there are fewer than `n` samples to choose from.
    """
    if len(samples) < n:
        raise SourceMissingError(
            "There are too few samples to choose exemplars from",
            where=_split_of(samples[0]) if samples else "the exemplar split",
            expected=f"at least {n} samples",
            got=str(len(samples)),
            fix="name a larger split in exemplars.split, or use fewer shots",
        )
    return draw_samples(samples, n, seed)


def without_graded_questions(
    candidates: Iterable[Sample], graded: Iterable[Sample]
) -> list[Sample]:
    """The candidates whose question is not, up to case and spacing, that of a graded sample.

    Public train and test splits do share a question now and then; such a candidate is passed over.
    """
    questions = {_folded(sample.input) for sample in graded}
    return [sample for sample in candidates if _folded(sample.input) not in questions]


def check_exemplars(exemplars: Iterable[Sample], graded: Iterable[Sample]) -> list[Finding]:
    """One finding for every exemplar that is graded too, or that is of a graded split.

    The same id, the same input up to case and spacing, and the same split are different kinds of
    finding; each exemplar is reported once, under the first that applies.
    """
    by_id: dict[str, str] = {}
    by_input: dict[str, str] = {}
    by_split: dict[str, str] = {}
    for sample in graded:
        by_id[sample.id] = sample.id
        by_input.setdefault(_folded(sample.input), sample.id)
        by_split.setdefault(_split_of(sample), sample.id)
    findings: list[Finding] = []
    for exemplar in exemplars:
        if exemplar.id in by_id:
            findings.append(_finding("same_id", exemplar, exemplar.id))
        elif _folded(exemplar.input) in by_input:
            findings.append(_finding("same_input", exemplar, by_input[_folded(exemplar.input)]))
        elif _split_of(exemplar) in by_split:
            findings.append(_finding("same_split", exemplar, by_split[_split_of(exemplar)]))
    return findings


_WHAT = {
    "same_id": "an exemplar is itself graded",
    "same_input": "an exemplar has the same question as a graded sample",
    "same_split": "an exemplar comes from the graded split",
}


def _finding(kind: str, exemplar: Sample, graded_id: str) -> Finding:
    return Finding(
        check=CHECK_NAME,
        kind=kind,
        what=_WHAT[kind],
        where=exemplar.id,
        expected="exemplars of another split, with questions that no graded sample has",
        got=f"{exemplar.id} beside graded {graded_id}",
        cure="choose another exemplars.split or seed in the catalog",
        sample_id=graded_id,
    )


def _folded(text: str) -> str:
    """The text with case and spacing evened out."""
    return " ".join(text.casefold().split())


def _split_of(sample: Sample) -> str:
    """Source and split of a sample: `gsm8k/test`."""
    return sample.id.rpartition("/")[0]

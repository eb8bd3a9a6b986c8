"""Sample ids for rows that store none: each sample's text is looked for in the questions asked.

Older files store no row index, so that their rows can't be joined with anything. Only matches that
leave no doubt count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from quarry.samples import Sample
from quarry.trajectory.prompt_parts import folded, split_prompts

_LEAST_CHARACTERS = 12

Needles = tuple[str, ...]
"""The texts of a sample that must all occur in a question."""


def match_rows(questions: Sequence[str], samples: Sequence[Sample]) -> dict[int, str]:
    """Ids by row, for the rows whose question is one sample's and no other row's.

    Args:
        questions: what each row asks, folded, see `prompt_parts`.
        samples: the samples that may have been asked, the whole split.
    """
    needles = {sample.id: _needles(sample) for sample in samples}
    counts = Counter(needles.values())
    sought = {
        sample_id: texts
        for sample_id, texts in needles.items()
        if counts[texts] == 1 and sum(map(len, texts)) >= _LEAST_CHARACTERS
    }
    whole = {texts[0]: sample_id for sample_id, texts in sought.items() if len(texts) == 1}
    found: dict[int, str] = {}
    for row, question in enumerate(questions):
        sample_id = whole.get(question) or _only_match(question, needles)
        if sample_id in sought:
            found[row] = sample_id
    uses = Counter(found.values())
    return {row: sample_id for row, sample_id in found.items() if uses[sample_id] == 1}


def _only_match(question: str, sought: dict[str, Needles]) -> str | None:
    """The one sample whose texts all occur in a question; None if there is no or a second one."""
    hits = [
        sample_id
        for sample_id, texts in sought.items()
        if question and all(text in question for text in texts)
    ]
    return hits[0] if len(hits) == 1 else None


def _needles(sample: Sample) -> Needles:
    """A sample's texts as a question shows them, whatever stands between them."""
    if "context" in sample.metadata:
        return (folded(sample.metadata["context"]), folded(sample.metadata["question"]))
    return (split_prompts([sample.input])[0].question,)

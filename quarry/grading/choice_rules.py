r"""What published graders of multiple-choice completions extract: three rules, kept as evidence.

LogiQA has no published rule for generated answers (its harness tasks compare likelihoods), so none
of these is official. What a person would read as the answer is decided in `quarry.grading.choice`.

- **flan-cot** (lm-evaluation-harness 0.4.13, `mmlu_flan_cot_zeroshot`, strict-match): the rest of
  the line behind the first "answer is ", "The answer: " or "The final answer: " but for its last
  character; right when it equals the letter without punctuation and case.
- **generative** (same version, `mmlu_generative`): the first line, compared alike.
- **simple-evals** (openai/simple-evals, multiple choice): the first letter behind "Answer:". It
  reads the first letter of a word, too ("Answer: Because"), and is therefore never followed.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass

_FLAN_COT = re.compile(r"(?:answer is |The answer: |The final answer: )(.*)")
_SIMPLE_EVALS = re.compile(r"(?i)Answer[ \t]*:[ \t]*\$?([A-J])")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class PublishedLetter:
    """The letter that a published rule reads, and where in the text the rule's match lies."""

    letter: str
    start: int
    end: int


def published_letters(text: str, letters: str) -> dict[str, PublishedLetter]:
    """What each rule reads, by its name; a rule that reads no letter of the options is left out.

    Args:
        text: a completion.
        letters: the letters of the options, such as `ABCD`.
    """
    found: dict[str, PublishedLetter] = {}
    stated = _FLAN_COT.search(text)
    if stated is not None:
        _add(found, "flan-cot", stated[1][:-1], stated.span(), letters)
    first_line = text.partition("\n")[0]
    _add(found, "generative", first_line.strip(), (0, len(first_line)), letters)
    labelled = _SIMPLE_EVALS.search(text)
    if labelled is not None:
        _add(found, "simple-evals", labelled[1], labelled.span(), letters)
    return found


def _add(
    found: dict[str, PublishedLetter],
    name: str,
    extracted: str,
    span: tuple[int, int],
    letters: str,
) -> None:
    letter = extracted.translate(_NO_PUNCTUATION).upper()
    if len(letter) == 1 and letter in letters:
        found[name] = PublishedLetter(letter, *span)

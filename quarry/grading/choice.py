r"""Grades LogiQA completions: finds the option that the completion states as its answer.

Rules, the first that finds an answer wins, always in the text after the thinking and before an
invented next item:

1. `strict`: what lm-evaluation-harness reads strictly ("The answer is (C)." as the rest of a line,
   or a first line that is nothing but the letter), unless the text takes it back further on.
2. `statement`: the *last* of `\boxed{C}`, "the answer is C", "Answer: **C**", "C is correct",
   "I choose C"; else `conclusion` ("Hence C.") and `ticked` ("C: correct", when only one is).
3. `start`: a letter that opens the text: "C.", "(C) text", unless the options are echoed.
4. `stated_text`: an option's text behind "the answer is", or as the first line.
5. `line`: the last letter that stands alone on a line.
6. `last_line`: the only option that the last line refers to: "So it must be (B)".
7. `text`: an option's text in the last line, or as the whole text, when exactly one matches.

Rules 6 and 7 are guesses and never made for a completion cut at the token limit. A letter inside a
word, the article "a", the pronoun "I" and letters that are merely mentioned are no answers.
There is no official grader of generated answers; `quarry.grading.choice_rules` names the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from quarry.errors import GradingError
from quarry.grading.answer_text import NEXT_CONTEXT, AnswerText, answer_text
from quarry.grading.choice_rules import published_letters
from quarry.grading.lone_letters import (
    at_start,
    is_listed_option,
    last_line,
    lone_line,
    only_reference,
    repeats_options,
)
from quarry.grading.option_text import match_option, stated_option
from quarry.grading.stated_letters import FoundLetter, is_hypothesis, last_statement
from quarry.grading.verdict import Grade, Verdict
from quarry.inference.engine import FinishReason

CHOICE_VERSION = "2"

_LETTERS = "ABCDEFGHIJ"
_SHOWN_CHARACTERS = 80
_STRICT_RULES = ("flan-cot", "generative")
_RETRACTS = re.compile(
    r"(?i)\b(?:wait|actually|correction|mistakes?|sorry|oops|hmm+|however|but|no,|not quite"
    r"|(?:re|double)-?(?:consider|read|check|examin|evaluat|think)\w*|on second thought|instead"
    r"|false|contradicts?)\b"
)


def grade_choice(
    target_letter: str,
    choices: Sequence[str],
    completion: str,
    finish_reason: FinishReason | None = None,
) -> Grade:
    """Grade one multiple-choice completion.

    The evidence holds `rule`, `matched` (at most 80 characters), `span` (offsets in the
    completion), `published` (what other graders read) and `run_on_start` where text was cut off.

    Args:
        target_letter: the gold letter, such as `B`.
        choices: the option texts in order, without their letters; 2 to 10.
        completion: the decoded output of the model.
        finish_reason: why generation ended; None where that is not known.

    Raises:
        GradingError: the gold letter names none of the choices.
    """
    letters = _LETTERS[: len(choices)]
    gold = target_letter.strip().upper()
    if len(gold) != 1 or gold not in letters:
        raise GradingError(
            "A gold letter names no option",
            where="target",
            expected=f"one of {', '.join(letters) or '(no options)'}",
            got=repr(target_letter),
            fix="correct the benchmark's record or its loader",
        )
    kept = answer_text(completion, finish_reason, NEXT_CONTEXT)
    found = _find(kept, choices, letters)
    evidence = _evidence(kept, found, {
        name: each.letter for name, each in published_letters(completion, letters).items()
    })  # fmt: skip
    if found is None:
        return Grade(kept.missing, None, "choice", CHOICE_VERSION, evidence)
    verdict = Verdict.CORRECT if found.letter == gold else Verdict.INCORRECT
    return Grade(verdict, found.letter, "choice", CHOICE_VERSION, evidence)


def _evidence(
    kept: AnswerText, found: FoundLetter | None, published: dict[str, str]
) -> dict[str, object]:
    evidence: dict[str, object] = {"rule": found.rule if found else None}
    if found is not None:
        evidence["matched"] = kept.text[found.start : found.end][:_SHOWN_CHARACTERS]
        evidence["span"] = kept.span(found.start, found.end)
    evidence["published"] = published
    if kept.run_on_start is not None:
        evidence["run_on_start"] = kept.run_on_start
    return evidence


def _find(kept: AnswerText, choices: Sequence[str], letters: str) -> FoundLetter | None:
    """The answer by the first rule that finds one."""
    text = kept.text
    stated = last_statement(text, letters, choices)
    explicit = (
        _strict(text, letters, stated)
        or stated
        or at_start(text, letters)
        or _stated_text(kept, choices, letters)
        or lone_line(text, letters, is_whole=kept.is_whole)
    )
    if explicit is not None or not kept.is_whole:
        return explicit
    return only_reference(text, letters) or _option_text(text, choices, letters)


def _strict(text: str, letters: str, stated: FoundLetter | None) -> FoundLetter | None:
    """What the harness reads strictly, unless a later statement takes it back."""
    published = published_letters(text, letters)
    for rule in _STRICT_RULES:
        found = published.get(rule)
        if found is None or is_hypothesis(text, found.start):
            continue
        if stated is not None and _RETRACTS.search(text, found.end, stated.end):
            continue
        start = text.upper().rfind(found.letter, 0, found.end)
        return FoundLetter("strict", found.letter, start, start + 1)
    return None


def _stated_text(kept: AnswerText, choices: Sequence[str], letters: str) -> FoundLetter | None:
    """The option whose text stands behind "the answer is", or is the first line."""
    found = stated_option(kept.text, choices, is_whole=kept.is_whole)
    if found is None:
        return None
    return FoundLetter("stated_text", letters[found.index], found.start, found.end)


def _option_text(text: str, choices: Sequence[str], letters: str) -> FoundLetter | None:
    """The one option whose text the answer repeats."""
    start, line = last_line(text)
    if repeats_options(text) and is_listed_option(line):
        return None
    for region, offset, is_whole in ((line, start, False), (text, 0, True)):
        index = match_option(region, choices, is_whole=is_whole)
        if index is not None:
            return FoundLetter("text", letters[index], offset, offset + len(region))
    return None

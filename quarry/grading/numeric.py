r"""Grades GSM8K completions: the official rule first, then what a person would read as the answer.

1. `official`: what OpenAI's own rule passes is correct, whatever else the text holds; that rule and
   lm-evaluation-harness's two are in `quarry.grading.gsm8k_rules` and in each grade's evidence.
2. Else the number that the text states, by the rules of `quarry.grading.stated_numbers`, in the
   text after the thinking and before an invented next question, compared exactly with the gold one.

So a grade is never harsher than the official one, and wider only where the form of the number or
of the statement was the reason. How a number is written lives in `quarry.grading.numbers`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from quarry.errors import GradingError
from quarry.grading.answer_text import NEXT_QUESTION, AnswerText, answer_text
from quarry.grading.gsm8k_rules import OFFICIAL_PATTERN, lm_eval_verdicts, official_verdict
from quarry.grading.numbers import format_number, parse_number
from quarry.grading.quantities import FoundNumber
from quarry.grading.stated_numbers import find_number
from quarry.grading.verdict import Grade, Verdict
from quarry.inference.engine import FinishReason

NUMERIC_VERSION = "2"

_SHOWN_CHARACTERS = 80
_DIGITS_AT_END = re.compile(r"\d[\d,.]{0,60}$")


def grade_numeric(
    sample_target: str, completion: str, finish_reason: FinishReason | None = None
) -> Grade:
    """Grade one GSM8K completion.

    The evidence holds `rule`, `matched` (at most 80 characters), `span` (offsets in the
    completion), `official` and `lm_eval` (what the published rules extract), and `run_on_start`
    where text was cut off.

    Args:
        sample_target: the gold number, such as `18` or `1,200`.
        completion: the decoded output of the model.
        finish_reason: why generation ended; None where that is not known.

    Raises:
        GradingError: the gold answer is no number.
    """
    gold = parse_number(sample_target)
    if gold is None:
        raise GradingError(
            "A gold answer is no number",
            where="target",
            expected="a number such as 18, -2.5 or 1,200",
            got=repr(sample_target),
            fix="correct the benchmark's record or its loader",
        )
    shown = format_number(gold)
    official = official_verdict(completion, sample_target)
    kept = answer_text(completion, finish_reason, NEXT_QUESTION)
    published = {
        "official": official.extracted,
        "lm_eval": {
            name: {"extracted": each.extracted, "is_correct": each.is_correct}
            for name, each in lm_eval_verdicts(completion, sample_target).items()
        },
        **({} if kept.run_on_start is None else {"run_on_start": kept.run_on_start}),
    }
    if official.is_correct:
        return _grade(Verdict.CORRECT, shown, _official_match(completion) | published, True)
    found = find_number(kept.text, is_whole=kept.is_whole)
    if found is None:
        return _grade(kept.missing, None, {"rule": None} | published, False)
    evidence = _matched(kept, found) | published
    if gold in found.readings:
        return _grade(Verdict.CORRECT, shown, evidence, False)
    if _may_be_cut(kept, found, shown):
        return _grade(Verdict.TRUNCATED, None, {**evidence, "cut_inside": "number"}, False)
    return _grade(Verdict.INCORRECT, format_number(found.readings[0]), evidence, False)


def _grade(
    verdict: Verdict, extracted: str | None, evidence: Mapping[str, object], is_official: bool
) -> Grade:
    return Grade(verdict, extracted, "numeric", NUMERIC_VERSION, evidence, is_official)


def _official_match(completion: str) -> dict[str, object]:
    match = OFFICIAL_PATTERN.search(completion)
    span = match.span() if match else (0, 0)
    matched = completion[span[0] : span[1]][:_SHOWN_CHARACTERS]
    return {"rule": "official", "matched": matched, "span": list(span)}


def _matched(kept: AnswerText, found: FoundNumber) -> dict[str, object]:
    return {
        "rule": found.rule,
        "matched": kept.text[found.start : found.end][:_SHOWN_CHARACTERS],
        "span": kept.span(found.start, found.end),
    }


def _may_be_cut(kept: AnswerText, found: FoundNumber, gold: str) -> bool:
    """Whether the token limit fell inside the number and its missing digits could make it right."""
    digits = None if kept.is_whole else _DIGITS_AT_END.search(kept.text[-_SHOWN_CHARACTERS:])
    if digits is None or found.end != len(kept.text):
        return False
    is_negative = found.readings[0] < 0
    return gold.startswith(("-" if is_negative else "") + digits[0].replace(",", ""))

r"""Grades GSM8K completions: finds the stated number and compares it exactly with the gold one.

Rules, the first that finds an answer wins, always in the text after the thinking and before an
invented next question:

1. `hash`: the first `#### n`, as the official GSM8K evaluation reads it, then with currency,
   bold or "answer:" in between. A heading such as `#### 1. Count the eggs` is no answer.
2. `boxed`: the last `\boxed{n}`; earlier ones hold intermediate results.
3. `statement`: the first "the answer is n", "Answer: n" or "A: n"; on one line the last of them.
4. `bold` and `last_number`: the last bold number, else the last number, of the last line that
   holds one. A guess, so never made for a completion that was cut at the token limit.

How a number is written lives in `quarry.grading.numbers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from quarry.errors import GradingError
from quarry.grading.answer_text import NEXT_QUESTION, AnswerText, answer_text
from quarry.grading.latex import boxed_contents, latex_value
from quarry.grading.numbers import NUMBER, format_number, parse_number
from quarry.grading.verdict import Grade, Verdict
from quarry.inference.engine import FinishReason

NUMERIC_VERSION = "1"

_OFFICIAL = re.compile(r"#### (?P<n>-?[0-9.,]+)")
"""Source: the answer pattern of openai/grade-school-math, `grade_school_math/dataset.py`."""
_FILL = (
    r"(?:[\s*_:=~≈(\[]|\\[(\[]|\$(?=[$\\])|\\(?:text|mathbf|textbf)\{"
    r"|(?i:approximately|about|around|exactly|simply|just|therefore|thus|then|now|indeed"
    r"|equal\s+to|a\s+total\s+of|USD?|Rs\.?)(?![A-Za-z]))*"
)
_SAID = (
    r"(?i:(?<!next )(?<!first )(?<!previous )\banswer(?:\s+(?:to|for|of)\b[^.\n:=]{0,80}?)?[*_\s]*"
    r"(?:\b(?:is|was|equals|(?:would|will|must|should)\s+be|comes\s+(?:out\s+)?to)\b|[:=]))"
)
_LABEL = r"(?m:^)[ \t#>*_-]*A[*_]*:"
_UNIT = r"(?:[ ]?[%°]|[ ](?!and\b|or\b)[A-Za-z][A-Za-z.²³/-]*)"
_CLOSES = r"[*_\])}$\\]"
_ENDS = (
    rf"(?:{_UNIT}{{0,2}}{_CLOSES}*(?:[.!,;(]|[ \t]*(?m:$))"
    rf"|{_UNIT}{{0,6}}(?:{_CLOSES}|[.!])*[ \t]*(?m:$))"
)
_HASH = re.compile(
    rf"####[ \t]*(?:[*_]*(?:The )?(?i:(?:final )?answer)(?: is)?)?{_FILL}(?P<n>{NUMBER})"
)
_STATEMENT = re.compile(rf"(?P<said>{_SAID}|{_LABEL}){_FILL}(?P<n>{NUMBER})")
_STATEMENT_ENDS = re.compile(_ENDS)
_OPERATOR = re.compile(
    r"[ \t]*(?:[A-Za-z]+[ ]){0,2}(?:[-+*/\u00d7\u00f7=\u2212]|x(?= )|\\times|\\div|\\cdot)"
)
_RESULT = re.compile(rf"=[ \t]*{_FILL}(?P<n>{NUMBER})")
_NUMBERS = re.compile(NUMBER)
_BOLD = re.compile(r"\*\*(?P<inside>[^*\n]+)\*\*|__(?P<inside_>[^_\n]+)__")


@dataclass(frozen=True)
class _Found:
    """A number that a rule took for the answer, with its offsets in the answer text."""

    rule: str
    value: Fraction
    start: int
    end: int


def grade_numeric(
    sample_target: str, completion: str, finish_reason: FinishReason | None = None
) -> Grade:
    """Grade one GSM8K completion.

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
    kept = answer_text(completion, finish_reason, NEXT_QUESTION)
    found = _find(kept)
    if found is None:
        return _grade(kept.missing, None, {"rule": None})
    shown = format_number(found.value)
    evidence: dict[str, object] = {
        "rule": found.rule,
        "matched": kept.text[found.start : found.end][:80],
        "span": kept.span(found.start, found.end),
    }
    if found.value == gold:
        return _grade(Verdict.CORRECT, shown, evidence)
    if _may_be_cut(kept, found, format_number(gold)):
        return _grade(Verdict.TRUNCATED, None, {**evidence, "cut_inside": "number"})
    return _grade(Verdict.INCORRECT, shown, evidence)


def _grade(verdict: Verdict, extracted: str | None, evidence: dict[str, object]) -> Grade:
    return Grade(verdict, extracted, "numeric", NUMERIC_VERSION, evidence)


def _may_be_cut(kept: AnswerText, found: _Found, gold: str) -> bool:
    """Whether the token limit fell inside the number and its missing digits could make it right."""
    touches_the_cut = not kept.is_whole and found.end == len(kept.text)
    return touches_the_cut and gold.startswith(format_number(found.value))


def _find(kept: AnswerText) -> _Found | None:
    """The answer by the first rule that finds one."""
    text = kept.text
    explicit = _first(_hashes(text)) or _last_box(text) or _first_statement(text)
    if explicit is not None or not kept.is_whole:
        return explicit
    return _last_number(text)


def _first(found: Iterator[_Found]) -> _Found | None:
    return next(found, None)


def _hashes(text: str) -> Iterator[_Found]:
    """Numbers behind `####`, those that the official pattern reads first."""
    for pattern in (_OFFICIAL, _HASH):
        for match in pattern.finditer(text):
            number = _NUMBERS.match(text, match.start("n"))
            value = parse_number(number[0]) if number else None
            if number is None or value is None or _is_heading(text, number.end()):
                continue
            yield _Found("hash", value, match.start(), number.end())


def _is_heading(text: str, end: int) -> bool:
    """Whether a number behind `####` numbers a step: `#### 2. Add them up` with text below."""
    rest, _, below = text[end:].partition("\n")
    is_numbered = re.match(r"[.):]\s+\S*[A-Za-z*]", rest) is not None
    return is_numbered and bool(re.search(r"\d", below))


def _last_box(text: str) -> _Found | None:
    boxes = list(boxed_contents(text))
    for start, end, content in reversed(boxes):
        value = latex_value(content)
        if value is not None:
            return _Found("boxed", value, start, end)
    return None


def _first_statement(text: str) -> _Found | None:
    """The first statement, or one that corrects it on the same line ("wait, the answer is")."""
    chosen: _Found | None = None
    for found in _statements(text):
        if chosen is not None and "\n" in text[chosen.end : found.start]:
            break
        chosen = found
    return chosen


def _statements(text: str) -> Iterator[_Found]:
    """Numbers that the text calls its answer, in order."""
    for match in _STATEMENT.finditer(text):
        number: tuple[str, int] = (match["n"], match.end("n"))
        if _OPERATOR.match(text, match.end("n")):
            result = _equation_result(text, match.end("n"))
            if result is None or (_is_label(match["said"]) and _has_more_lines(text, result[1])):
                continue
            number = result
        elif _is_label(match["said"]) and not _STATEMENT_ENDS.match(text, match.end("n")):
            continue
        value = parse_number(number[0])
        if value is not None:
            yield _Found("statement", value, match.start(), number[1])


def _is_label(said: str) -> bool:
    """Whether the marker is `Answer:` or `A:`, which a calculation may follow."""
    return said.rstrip(" *_").endswith((":", "="))


def _has_more_lines(text: str, end: int) -> bool:
    """Whether a line with a number follows, so that this one held an intermediate result."""
    return re.search(r"\d", text[end:].partition("\n")[2]) is not None


def _equation_result(text: str, start: int) -> tuple[str, int] | None:
    """The number behind the last `=` on the line, and where it ends."""
    line_end = text.find("\n", start)
    results = list(_RESULT.finditer(text, start, len(text) if line_end < 0 else line_end))
    return (results[-1]["n"], results[-1].end("n")) if results else None


def _last_number(text: str) -> _Found | None:
    """The last bold number, else the last number, of the last line that holds one."""
    end = len(text)
    for line in reversed(text.split("\n")):
        start = end - len(line)
        found = _in_line(text, start, end)
        if found is not None:
            return found
        end = start - 1
    return None


def _in_line(text: str, start: int, end: int) -> _Found | None:
    spans = [
        ("bold", *match.span(match.lastgroup or 0)) for match in _BOLD.finditer(text, start, end)
    ]
    for rule, first, last in [*reversed(spans), ("last_number", start, end)]:
        for number in reversed(list(_NUMBERS.finditer(text, first, last))):
            value = parse_number(number[0])
            if value is not None:
                return _Found(rule, value, number.start(), number.end())
    return None

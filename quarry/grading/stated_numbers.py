r"""Finds the number that a text states as its answer; the first rule that finds one wins.

1. `hash`: the first `#### n`, with currency, bold or "answer:" in between. A heading such as
   `#### 1. Count the eggs` is no answer.
2. `boxed`: the last `\boxed{n}`; earlier ones hold intermediate results.
3. `statement`: "the final answer is n" before "the answer is n", "Answer: n", "A: n"; the first of
   them, or a later one on the same line or behind a retraction ("Wait, I made a mistake").
4. `sentence`: the number in the rest of such a sentence: "The answer is that she makes $18"; else
   a `statement` the other way round: "18 is the answer", or the last "the final total is 18".
5. `first_line`: a bare number that has the first line to itself, with an explanation below.
6. `bold` and `last_number`: the last bold number, else the last number, of the last line that
   holds one. A guess, so never made for a text that was cut at the token limit.

Which part of a completion is searched is decided in `quarry.grading.answer_text`, what counts as
right in `quarry.grading.numeric`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from quarry.grading.latex import boxed_readings
from quarry.grading.numbers import NUMBER
from quarry.grading.quantities import FoundNumber, quantity_at, with_alternative
from quarry.grading.unmarked_numbers import (
    CLOSES,
    EXPLAINS,
    UNIT,
    first_line,
    last_number,
    without_remarks,
)

_WORDS = (
    r"(?i:approximately|about|around|roughly|nearly|exactly|simply|just|only|still|therefore|thus"
    r"|then|now|indeed|equal\s+to|at\s+(?:least|most)|a\s+total\s+of|USD?|Rs\.?)(?![A-Za-z])"
)
_TAG = r"</?(?:b|strong|em|i|u|span)>"
_FILL = (
    r"(?:[\s*_:=~≈≥≤(\[{`\"'“”\u2018\u2019]|\\[(\[{]|\$(?=[$\\\s])|\$(?=[A-Za-z][ ]?=)"
    r"|\\(?:text|mathbf|textbf|mathrm)\{|\\approx(?![a-z])|(?<![A-Za-z])[A-Za-z](?=[ ]?=)"
    rf"|{_TAG}|{_WORDS})*"
)
_STATED = rf"(?P<n>(?:(?i:minus)[ ])?{NUMBER})"
_OF_WHAT = r"(?:\s+(?:to|for|of)\b[^.,\n:=]{0,80}?)?"
_EQUALS = (
    r"(?:\b(?:is|was|are|equals|(?:would|will|must|should)\s+be|comes\s+(?:out\s+)?to)\b|[:=])"
)
_NOT_OTHERS = "".join(
    f"(?<!{word} )"
    for word in ("first", "second", "third", "next", "previous", "other", "wrong", "incorrect")
)
_SAID = (
    rf"(?:<answer>|(?i:{_NOT_OTHERS}"
    r"(?:\banswer|(?m:^)[\s*_]{0,9}ans)\b"
    rf"{_OF_WHAT}[*_\s\"']*{_EQUALS}"
    r"|(?m:^)[ \t#*_]{1,9}(?:final\s)?answer[*_ \t]{0,9}\n\s{0,9}))"
)
_SUMMED = (
    r"(?i:\bfinal\s(?:result|total|amount)|(?m:^)[ \t#*_]{0,9}result)\b[*_ ]{0,4}(?:\bis\b|[:=])"
)
_LABEL = r"(?m:^)[ \t#>*_-]*A[*_]*:"
_ENDS = (
    rf"(?:{UNIT}{{0,2}}{CLOSES}*(?:[.!,;]|[ ]?\(|[ ](?:because|since|as|from)\b"
    r"|[^\w\n]{0,9}(?m:$))"
    rf"|{UNIT}{{0,6}}(?:{CLOSES}|[.!])*[ \t]*(?m:$))"
)
_HASH = re.compile(
    r"####(?:[ \t]{0,9}[*_]{0,9}(?:The )?(?i:(?:final )?answer)(?: is)?)?" + _FILL + _STATED
)
_STATEMENT = re.compile(rf"(?P<said>{_SAID}|{_LABEL}){_FILL}{_STATED}")
_SUM = re.compile(rf"{_SUMMED}{_FILL}{_STATED}")
_SENTENCE = re.compile(rf"(?P<said>{_SAID})(?P<gap>[^\d\n.;?]{{1,80}}?)(?<![\d.,])(?P<n>{NUMBER})")
_PRAISED = re.compile(
    rf"(?P<n>{NUMBER}){UNIT}{{0,2}}{CLOSES}{{0,4}}[ ]is[ ]the[ ](?:final |correct |right )?answer\b"
)
_STATEMENT_ENDS = re.compile(_ENDS)
_GOES_ON = re.compile(
    rf"{UNIT}{{3,6}}|{UNIT}{{0,2}}{CLOSES}*(?:,|[ ]?\(|[ ](?:because|since|as|from)\b)"
)
_HEDGED = re.compile(
    r"(?i)\b(?:not|less|more|fewer|greater|between|than|unknown|unclear|if|depends|either)\b|n't\b"
)
_FINAL = re.compile(r"(?i)[\s#*_]{0,9}final")
_BEFORE = re.compile(r"(?i)final[\s*_]{0,9}(?:numerical )?$")
_OF_STEP = re.compile(r"(?i)\b(?:step|part|sub-?question)\b")
_RETRACTS = re.compile(
    r"(?i)\b(?:wait|actually|correction|corrected|mistakes?|sorry|oops|hmm+|wrong|incorrect|error"
    r"|not quite|re-?(?:check|consider|calculat|evaluat|read|do)\w*|double-?check\w*)\b|\bno,"
)
_OPERATOR = re.compile(
    r"[ \t]*(?:[A-Za-z]{1,30}[ ]){0,2}(?:(?P<equals>=)"
    r"|(?:[-+*/\u00d7\u00f7\u2212\u2013]|\^|\*\*|x(?= )|\\times|\\div|\\cdot)"
    r"(?=[ \t]{0,3}[\d.$£€(\\]))"
)
_RESULT = re.compile(rf"=[ \t]*{_FILL}(?P<n>{NUMBER})")
_DIGIT = re.compile(r"\d")
_HEADING = re.compile(r"(?:[.):]|[ ][-\u2013])\s+\S{0,9}[A-Za-z*]")
_NEAR = 2000
"""Characters behind a label in which the rest of a worked solution is looked for."""
_WINDOW = 200
"""Characters of a line in which the result of an equation is looked for."""


def find_number(text: str, *, is_whole: bool) -> FoundNumber | None:
    """The answer by the first rule that finds one.

    Args:
        text: what may hold the answer.
        is_whole: whether nothing is missing at its end; else nothing is guessed.
    """
    explicit = (
        _first_hash(text)
        or _last_box(text)
        or _best(list(_statements(text)), text)
        or _best(list(_sentences(text)), text)
        or _best(list(_praised(text)), text)
        or _last_sum(text)
        or first_line(text)
    )
    if explicit is not None or not is_whole:
        return explicit
    return last_number(without_remarks(text))


def _first_hash(text: str) -> FoundNumber | None:
    """The first number behind `####` that is neither a heading nor an unfinished calculation."""
    for match in _HASH.finditer(text):
        found = _resolved("hash", text, match)
        if found is not None and not _is_heading(text, match.end("n")):
            return found
    return None


def _is_heading(text: str, end: int) -> bool:
    """Whether a number behind `####` numbers a step: `#### 2. Add them up` with text below."""
    line_end = text.find("\n", end)
    if line_end < 0 or _HEADING.match(text, end) is None:
        return False
    return _DIGIT.search(text, line_end) is not None


def _resolved(rule: str, text: str, match: re.Match[str]) -> FoundNumber | None:
    """What a match states: its number, or the result of the calculation that begins there."""
    number, end = match["n"], match.end("n")
    operator = _OPERATOR.match(text, end)
    if operator is not None:
        result = _equation_result(text, end)
        if result is None and not operator["equals"]:
            return None
        number, end = result or (number, end)
    quantity = quantity_at(text, number, end)
    quantity = quantity and with_alternative(text, quantity)
    return quantity and FoundNumber(rule, quantity.readings, match.start(), quantity.end)


def _equation_result(text: str, start: int) -> tuple[str, int] | None:
    """The number behind the last `=` on the line and where it ends; a calculation is no result."""
    line_end = text.find("\n", start, start + _WINDOW)
    stop = min(len(text), start + _WINDOW) if line_end < 0 else line_end
    results = list(_RESULT.finditer(text, start, stop))
    if not results or _OPERATOR.match(text, results[-1].end("n")):
        return None
    return results[-1]["n"], results[-1].end("n")


def _last_box(text: str) -> FoundNumber | None:
    for start, end, readings in boxed_readings(text):
        return FoundNumber("boxed", readings, start, end)
    return None


def _best(found: list[FoundNumber], text: str) -> FoundNumber | None:
    """The first that is called final, else the first; or a later one that corrects it."""
    final = [each for each in found if _is_final(text, each.start)]
    chosen: FoundNumber | None = None
    for each in final or found:
        if chosen is not None and not _corrects(text, chosen.end, each.start):
            break
        chosen = each
    return chosen


def _praised(text: str) -> Iterator[FoundNumber]:
    """Numbers in front of "is the answer"."""
    for match in _PRAISED.finditer(text):
        quantity = quantity_at(text, match["n"], match.end("n"))
        if quantity is not None:
            yield FoundNumber("statement", quantity.readings, match.start(), match.end())


def _last_sum(text: str) -> FoundNumber | None:
    """The last number called the final total or result; steps may have some, too."""
    found: FoundNumber | None = None
    for match in _SUM.finditer(text):
        found = _resolved("statement", text, match) or found
    return found


def _is_final(text: str, start: int) -> bool:
    is_named_so = _FINAL.match(text, start) is not None
    return is_named_so or _BEFORE.search(text, max(0, start - 30), start) is not None


def _corrects(text: str, end: int, start: int) -> bool:
    """Whether what stands between two statements makes the second one count."""
    is_one_line = text.find("\n", end, start) < 0
    return is_one_line or _RETRACTS.search(text, end, start) is not None


def _statements(text: str) -> Iterator[FoundNumber]:
    """Numbers that the text calls its answer, in order."""
    for match in _STATEMENT.finditer(text):
        if _OF_STEP.search(match["said"]):
            continue
        found = _resolved("statement", text, match)
        if found is None or (_is_label(match["said"]) and _is_a_step(text, match, found)):
            continue
        yield found


def _is_label(said: str) -> bool:
    """Whether the marker is `Answer:` or `A:`, which a worked solution may follow."""
    return said.rstrip(" *_").endswith((":", "="))


def _is_a_step(text: str, match: re.Match[str], found: FoundNumber) -> bool:
    """Whether the number behind a label belongs to the first sentence of a worked solution."""
    if _OPERATOR.match(text, match.end("n")):
        return _has_more_numbers(text, found.end)
    end = found.end
    if match["n"] == "1" and text.find("\n2.", end, end + _NEAR) >= 0:
        return True
    if _STATEMENT_ENDS.match(text, end) is None:
        return True
    goes_on = _GOES_ON.match(text, end) is not None
    return goes_on and (
        _has_more_numbers(text, end) or text.find("answer is", end, end + _NEAR) >= 0
    )


def _has_more_numbers(text: str, end: int) -> bool:
    """Whether a line with a number follows, so that this one held an intermediate result."""
    line_end = text.find("\n", end)
    if line_end < 0 or EXPLAINS.match(text, _next_line(text, line_end)):
        return False
    return _DIGIT.search(text, line_end) is not None


def _next_line(text: str, at: int) -> int:
    """Offset of the next line that is not blank."""
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _sentences(text: str) -> Iterator[FoundNumber]:
    """Numbers further on in a sentence that starts with "the answer is"."""
    for match in _SENTENCE.finditer(text):
        is_open = not _is_label(match["said"]) or _is_final(text, match.start())
        if not is_open or _HEDGED.search(match["gap"]) or _OF_STEP.search(match["said"]):
            continue
        found = _resolved("sentence", text, match)
        if found is not None:
            yield found

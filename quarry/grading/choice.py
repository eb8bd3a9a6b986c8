r"""Grades LogiQA completions: finds the option that the completion states as its answer.

Rules, the first that finds an answer wins, always in the text after the thinking and before an
invented next item:

1. `statement`: the *last* of `\boxed{C}`, "the answer is C", "Answer: **C**", "C is correct",
   "I choose C". The last, because run-on items are cut off already and a text that corrects
   itself ends with what it means.
2. `start`: a letter that opens the text: "C", "C.", "(C) text", unless the options are echoed.
3. `line`: the last letter that stands alone on a line.
4. `last_line`: the only option that the last line refers to: "So it must be (B)".
5. `text`: an option's text instead of its letter, when exactly one matches.

Rules 4 and 5 are guesses and never made for a completion cut at the token limit. A letter inside a
word, the article "a" and letters that are merely mentioned are no answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quarry.errors import GradingError
from quarry.grading.answer_text import NEXT_CONTEXT, AnswerText, answer_text
from quarry.grading.latex import boxed_contents, without_markup
from quarry.grading.option_text import match_option
from quarry.grading.verdict import Grade, Verdict
from quarry.inference.engine import FinishReason

CHOICE_VERSION = "1"

_LETTERS = "ABCDEFGHIJ"
_FILL = (
    r"[\s*_:\"'“\u2018]*(?:(?i:(?:therefore|thus|then|clearly|probably|most\s+likely|likely|definitely"
    r"|indeed|simply|the|option|choice|letter|answer|statement)\b)[\s*_:\"'“\u2018]*){0,3}"
    r"(?:\\\(|\$)?[\s([*_\"'“\u2018]*(?:\\(?:text|mathrm|mathbf|textbf)\{)?[([]*"
)
_IS = r"(?i:is|was|would\s+be|must\s+be|should\s+be|will\s+be)"
_MARKERS = (
    rf"(?i:\banswer\b(?:\s+(?:to|for|among|here)\b[^.\n:]{{0,80}}?)?)[*_\s]*(?:\b{_IS}\b|[:=]|->|→)",
    rf"(?i:\b(?:correct|right|best)\s+(?:option|choice|statement))\b[*_\s]*(?:\b{_IS}\b|[:=])",
    r"(?m:^)[ \t*#>]*A[*_]*:",
    r"(?i:\b(?:I|we|I'd|I'll|would|will|must|should)\s+(?:choose|select|pick|go\s+with))\b",
)
_MARKED = re.compile(rf"(?:{'|'.join(_MARKERS)}){_FILL}(?P<letter>[A-Ja-j])")
_PRAISED = re.compile(
    rf"(?<![\w'])(?P<open>\(?)(?P<letter>[A-Ja-j])[)\]*_.\"'”]*\s+{_IS}\s+(?i:(?:the\s+)?"
    r"(?:(?:only|most|best)\s+)?(?:correct|right|answer|best|valid)\b)(?!\s+(?i:only|if|when)\b)"
)
_HYPOTHESIS = re.compile(r"(?i)\b(?:if|whether|suppose|assuming|unless)\b[^.\n,;]*$")
_LISTED_BEFORE = re.compile(r"(?:\b(?i:nor|neither|or|and|not|if|whether)|\b[A-J],)\s*[(*]*$")
_LISTED_BEHIND = re.compile(
    r"[)\]*_.\"'”]*\s*(?:,\s*)?(?:(?i:and|or|nor)\b|/|&)\s*(?i:option\s+)?[(*]*[A-J]\b(?!\s+(?i:is|was)\b)"
)
_CONTINUES = re.compile(
    r"[*_]*[ \t]+(?:(?i:because|since|as|for|due|which|given|based|is|by|from|so|it)\b"
    r"|(?i:the|this|that)\b|[-\u2013\u2014(])"
)
_STOPS = re.compile(r"[*_]*[)\]}.:,;!?\"'”$]|[*_]*[ \t]*(?:\n|$)")
_LINE_ENDS = re.compile(r"[*_]*[.)\]]?[*_$]*[ \t]*(?:\n|$)")
_START = re.compile(
    r"\s*(?P<open>[(\[*_\"]*)(?P<letter>[A-Ja-j])(?:[)\]*_\".]++(?:(?!\w)|(?=[A-Z][a-z]))|(?<!A):(?!\w)"
    r"|[*_]*[ \t]*(?:\n|$)|[ \t]+[-\u2013\u2014][ \t]|(?=[ \t]+(?i:because|since)\b))"
)
_BOLD_ARTICLE = re.compile(r"[*_\"]+[ \t]+[a-z]")
_LINE_LETTERS = re.compile(r"(?m)^[ \t(\[*_-]*([A-J])[)\]*_]*[.):]")
_LONE_LINE = re.compile(r"(?m)^[ \t>]*[(\[*_\"]*(?P<letter>[A-Ja-j])[)\]*_\".]*[ \t]*$")
_REFERENCE = re.compile(
    r"[(\[](?P<a>[A-J])[)\]]|(?i:\b(?:option|choice|statement))\s+[(*]*(?P<b>[A-J])\b"
    r"|\*\*(?P<c>[A-J])[.)]?\*\*"
)
_DENIAL = re.compile(r"(?i)\b(?:not|neither|nor|wrong|incorrect|false|cannot|eliminate\w*)\b|n't\b")


@dataclass(frozen=True)
class _Found:
    """A letter that a rule took for the answer, with its offsets in the answer text."""

    rule: str
    letter: str
    start: int
    end: int


def grade_choice(
    target_letter: str,
    choices: Sequence[str],
    completion: str,
    finish_reason: FinishReason | None = None,
) -> Grade:
    """Grade one multiple-choice completion.

    Args:
        target_letter: the gold letter, such as `B`.
        choices: the option texts in order, without their letters.
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
    if found is None:
        return Grade(kept.missing, None, "choice", CHOICE_VERSION, {"rule": None})
    evidence = {
        "rule": found.rule,
        "matched": kept.text[found.start : found.end][:80],
        "span": kept.span(found.start, found.end),
    }
    verdict = Verdict.CORRECT if found.letter == gold else Verdict.INCORRECT
    return Grade(verdict, found.letter, "choice", CHOICE_VERSION, evidence)


def _find(kept: AnswerText, choices: Sequence[str], letters: str) -> _Found | None:
    """The answer by the first rule that finds one."""
    stated: tuple[Callable[[str, str], _Found | None], ...] = (_last_statement, _at_start)
    for rule in stated:
        found = rule(kept.text, letters)
        if found is not None:
            return found
    found = _lone_line(kept, letters)
    if found is not None or not kept.is_whole:
        return found
    return _only_reference(kept.text, letters) or _option_text(kept.text, choices, letters)


def _last_statement(text: str, letters: str) -> _Found | None:
    """The last place where the text says which option is the answer."""
    found = [*_boxes(text, letters), *_marked(text, letters), *_praised(text, letters)]
    return max(found, key=lambda each: each.end, default=None)


def _boxes(text: str, letters: str) -> list[_Found]:
    found: list[_Found] = []
    for start, end, content in boxed_contents(text):
        inside = re.match(
            r"\W*(?i:(?:option|choice)\s+)?\W*([A-Ja-j])(?!\w)", without_markup(content)
        )
        if inside is not None and inside[1].upper() in letters:
            found.append(_Found("statement", inside[1].upper(), start, end))
    return found


def _marked(text: str, letters: str) -> list[_Found]:
    """Letters right behind "the answer is" and the like."""
    return [
        _Found("statement", match["letter"].upper(), match.start(), match.end())
        for match in _MARKED.finditer(text)
        if match["letter"].upper() in letters
        and _stands_alone(text, match.start("letter"))
        and not _HYPOTHESIS.search(text, max(0, match.start() - 60), match.start())
        and not _LISTED_BEHIND.match(text, match.end())
    ]


def _praised(text: str, letters: str) -> list[_Found]:
    """Letters of which the text says that they are correct."""
    return [
        _Found("statement", match["letter"].upper(), match.start(), match.end())
        for match in _PRAISED.finditer(text)
        if match["letter"].upper() in letters
        and (match["letter"].isupper() or match["open"])
        and not _LISTED_BEFORE.search(text, max(0, match.start() - 40), match.start())
        and not _HYPOTHESIS.search(text, max(0, match.start() - 60), match.start())
    ]


def _stands_alone(text: str, at: int) -> bool:
    """Whether the letter at `at` is an option's, not an article or part of a word."""
    letter, behind = text[at], at + 1
    if re.match(r"[*_]*[\w'\u2019]", text[behind : behind + 8]):
        return False
    is_enclosed = text[at - 1 : at] in {"(", "[", "*", '"', "{", "“"} and bool(
        re.match(r"[)\]}*\"”.]", text[behind : behind + 1])
    )
    if is_enclosed and not (letter in "aA" and text[at - 1] == "*"):
        return True
    if letter == "a":
        return _LINE_ENDS.match(text, behind) is not None
    if letter == "A" or letter.islower():
        return bool(_STOPS.match(text, behind) or _CONTINUES.match(text, behind))
    return True


def _at_start(text: str, letters: str) -> _Found | None:
    """A letter that opens the text, unless the text repeats the list of options."""
    match = _START.match(text)
    if match is None or match["letter"].upper() not in letters:
        return None
    is_article = match["letter"] in "aA" and _BOLD_ARTICLE.match(text, match.end("letter"))
    if is_article or _repeats_options(text):
        return None
    return _Found("start", match["letter"].upper(), match.start("letter"), match.end())


def _repeats_options(text: str) -> bool:
    """Whether the text lists the options again, from A on."""
    return _LINE_LETTERS.findall(text)[:2] == ["A", "B"]


def _lone_line(kept: AnswerText, letters: str) -> _Found | None:
    """The last letter that has a line to itself; at the cut it may be the start of a word."""
    found: _Found | None = None
    for match in _LONE_LINE.finditer(kept.text):
        is_cut = not kept.is_whole and match.end() == len(kept.text)
        if match["letter"].upper() in letters and not is_cut:
            found = _Found("line", match["letter"].upper(), *match.span("letter"))
    return found


def _only_reference(text: str, letters: str) -> _Found | None:
    """The one option that the last line refers to."""
    start, line = _last_line(text)
    matches = list(_REFERENCE.finditer(line))
    named = {match[match.lastgroup or 0] for match in matches}
    if len(named) != 1 or not named <= set(letters) or _DENIAL.search(line):
        return None
    last = matches[-1]
    return _Found("last_line", named.pop(), start + last.start(), start + last.end())


def _last_line(text: str) -> tuple[int, str]:
    """Offset and text of the last line that is not blank."""
    stripped = text.rstrip()
    start = stripped.rfind("\n") + 1
    return start, stripped[start:]


def _option_text(text: str, choices: Sequence[str], letters: str) -> _Found | None:
    """The one option whose text the answer repeats."""
    start, line = _last_line(text)
    if _repeats_options(text) and _LINE_LETTERS.match(line):
        return None
    for region, offset, is_whole in ((line, start, False), (text, 0, True)):
        index = match_option(region, choices, is_whole=is_whole)
        if index is not None:
            return _Found("text", letters[index], offset, offset + len(region))
    return None

r"""Finds letters that a text calls its answer: `\boxed{C}`, "Answer: **C**", "C is correct".

Letters that merely stand somewhere are in `quarry.grading.lone_letters`. Every repetition that the
next part of a pattern could also match is bounded, so that a search takes linear time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from quarry.grading.latex import boxed_contents, without_markup
from quarry.grading.option_text import begins_with

_LETTER = r"(?P<letter>[A-Ja-j])"
_QUOTES = r"\"'“”\u2018`"
_FILL = (
    rf"[\s*_:{_QUOTES}]{{0,20}}(?:(?i:therefore|thus|then|clearly|probably|most\s+likely|likely"
    r"|definitely|indeed|simply|still|the|option|choice|letter|answer|statement|number)\b"
    rf"[\s*_:#{_QUOTES}]{{0,20}}){{0,3}}"
    rf"(?:\\\(|\${{1,2}}|</?(?:b|strong|em|i|u|answer)>)?[\s([{{*_{_QUOTES}]{{0,20}}"
    r"(?:\\(?:text|mathrm|mathbf|textbf)\{)?[([]{0,3}"
)
IS = r"(?i:is|was|would\s+be|must\s+be|should\s+be|will\s+be|has\s+to\s+be)"
_NOT_MINE = "".join(f"(?<!{word} )" for word in ("wrong", "incorrect", "next", "previous", "false"))
_MARKERS = (
    rf"(?i:{_NOT_MINE}\banswer\b(?:\s+(?:to|for|among|here|choice|that|which)\b[^.\n:]{{0,80}}?"
    r"|\s?\([^()\n]{1,40}\)|,[^.,\n:]{1,40},)?)"
    rf"[*_\s\"']{{0,20}}(?:\b{IS}\b|[:=]|->|→|-(?=[ ]))",
    rf"(?i:\b(?:correct|right|best|final|my|selected)\s+(?:option|choice|statement|letter|selection))\b"
    rf"[*_\s]{{0,20}}(?:\b{IS}\b|[:=])",
    r"(?m:^)[ \t*#>]{0,20}(?i:ans|option|choice|correct|selected|final|conclusion)[.*_]{0,4}:",
    r"(?m:^)[ \t*#>]{0,20}A[*_]{0,4}:",
    r"(?:####|<answer>)",
    r"(?i:\b(?:I|we|I'd|I'll|would|will|must|should|I'm|am|are)\s+"
    r"(?:choose|select|pick|go(?:ing)?\s+(?:with|for)|opt\s+for|say|conclude)|\bI\s+(?:chose|selected|picked))\b",
)
_NOT_BUT = r"(?:\s{1,9}not\s{1,9}(?:option\s)?[(*]{0,3}[A-J][)*]{0,3},?\s{1,9}but\b)?"
_MARKED = re.compile(rf"(?:{'|'.join(_MARKERS)}){_NOT_BUT}{_FILL}{_LETTER}")
_CONCLUDED = re.compile(
    r"(?:\b(?i:therefore|thus|hence|so|it's|it\s+is|that's|must\s+be|it\s+has\s+to\s+be)\b|∴|=>|\u21d2)"
    r",?[\s*_(:]{0,5}(?:(?i:option|choice)\s)?[*_(]{0,3}(?P<letter>[A-J])"
    r"(?=[)*_]{0,4}(?:[.!]?[ \t]*(?:\n|$)|\.\s))"
)
_PRAISED = re.compile(
    rf"(?<![\w'])(?P<open>\(?){_LETTER}[)\]*_.\"'”]{{0,6}}\s{{1,9}}{IS}\s{{1,9}}(?i:(?:the\s+|my\s+|our\s+)?"
    r"(?:(?:only|most|best|single)\s+)?(?:correct|right|answer|best|valid|final\s+answer)\b)"
    r"(?!\s+(?i:only|if|when|that|to|about|in)\b)"
)
_TICKED = re.compile(
    r"(?m)^[ \t*_(>-]{0,9}(?i:(?:option|choice)[ ])?(?P<letter>[A-J])[)\].:*_]{0,5}"
    r"[ \t]{0,9}[-\u2013\u2014:]?[ \t]{0,9}[*_]{0,3}"
    r"(?:\u2713|\u2714|✅|(?i:correct|right|yes)\b(?![ ](?:if|only)))"
)
_HYPOTHESIS = re.compile(
    r"(?i)\b(?:if|whether|suppose|assuming|unless|at first glance|(?:might|could|may|would)\s+"
    r"(?:think|say|argue|assume|guess|suppose|believe|suggest))\b[^.\n,;]*$|\b(?:wrong|incorrect) $"
)
_LISTED_BEFORE = re.compile(r"(?:\b(?i:nor|neither|or|and|not|if|whether)|\b[A-J],)\s*[(*]*$")
LISTED_BEHIND = re.compile(
    r"[)\]*_.\"'”]{0,6}\s{0,9}(?:,\s{0,9})?(?:(?i:and|or|nor)\b|/|&)\s{0,9}(?i:option\s+)?[(*]{0,4}"
    r"[A-J]\b(?!\s+(?i:is|was|are|contradicts)\b)"
    r"|[)\]*_]{0,4},\s{0,9}[(*]{0,4}[B-J]\b[)*]{0,4}\s{0,9}(?:[.,\n]|$|(?i:and|or)\b)"
)
_REJECTED = re.compile(
    r"[)\]*_\"'”]{0,6}\s{1,9}(?:is|are|was|seems|can\s+be|should\s+be|must\s+be)\s{1,9}"
    r"(?:not|wrong|incorrect|false|eliminated|out|unlikely|excluded|ruled)\b"
)
_QUESTIONED = re.compile(r"[)\]*_\"'”]{0,6}\?")
_CONTINUES = re.compile(
    r"[*_]{0,4}[ \t]+(?:(?i:because|since|as|for|due|which|given|based|is|by|from|so|it|and)\b"
    r"|(?i:the|this|that)\b|[-\u2013\u2014(✅])"
)
_STOPS = re.compile(r"[*_]*[)\]}.:,;!?\"'”$<`]|[*_]*[ \t]*(?:\n|$)")
_LINE_ENDS = re.compile(r"[*_]*[.)\]]?[*_$]*[ \t]*(?:\n|$)")
_IN_WORD = re.compile(r"[*_]{0,4}['\u2019]?\w")
_BOX = re.compile(
    r"\W{0,9}(?i:(?:the\s+)?(?:answer|option|choice)(?:\s+is)?:?\s+)?\W{0,9}([A-Ja-j])(?!\w)"
)
_ENCLOSED = {"'", "(", "[", "*", '"', "{", "“", "`", "$", ">"}


@dataclass(frozen=True)
class FoundLetter:
    """A letter that a rule took for the answer, with its offsets in the text."""

    rule: str
    letter: str
    start: int
    end: int


def last_statement(text: str, letters: str, choices: Sequence[str]) -> FoundLetter | None:
    """The last place where the text says which option is the answer.

    The last, because run-on items are cut off already and a text that corrects itself ends with
    what it means.

    Args:
        text: what may hold the answer.
        letters: the letters of the options.
        choices: the texts of the options.
    """
    found = [*_boxes(text, letters), *_marked(text, letters, choices), *_praised(text, letters)]
    last = max(found, key=lambda each: each.end, default=None)
    return last or _concluded(text, letters) or _only_ticked(text, letters)


def _boxes(text: str, letters: str) -> list[FoundLetter]:
    found: list[FoundLetter] = []
    for start, end, content in boxed_contents(text):
        inside = _BOX.match(without_markup(content))
        if inside is not None and inside[1].upper() in letters:
            found.append(FoundLetter("statement", inside[1].upper(), start, end))
    return found


def _marked(text: str, letters: str, choices: Sequence[str]) -> list[FoundLetter]:
    """Letters right behind "the answer is" and the like."""
    return [
        FoundLetter("statement", match["letter"].upper(), match.start(), match.end())
        for match in _MARKED.finditer(text)
        if match["letter"].upper() in letters
        and (
            _stands_alone(text, match.start("letter"))
            or begins_with(text, match.end(), choices[letters.index(match["letter"].upper())])
        )
        and not is_hypothesis(text, match.start())
        and not LISTED_BEHIND.match(text, match.end())
        and not _QUESTIONED.match(text, match.end())
        and not _REJECTED.match(text, match.end())
    ]


def _praised(text: str, letters: str) -> list[FoundLetter]:
    """Letters of which the text says that they are correct."""
    return [
        FoundLetter("statement", match["letter"].upper(), match.start(), match.end())
        for match in _PRAISED.finditer(text)
        if match["letter"].upper() in letters
        and (match["letter"].isupper() or match["open"])
        and not _LISTED_BEFORE.search(text, max(0, match.start() - 40), match.start())
        and not is_hypothesis(text, match.start())
    ]


def _concluded(text: str, letters: str) -> FoundLetter | None:
    """The last letter that ends a sentence behind "therefore", "so", "it must be"."""
    found: FoundLetter | None = None
    for match in _CONCLUDED.finditer(text):
        if match["letter"] in letters and not is_hypothesis(text, match.start()):
            found = FoundLetter("conclusion", match["letter"], match.start(), match.end("letter"))
    return found


def _only_ticked(text: str, letters: str) -> FoundLetter | None:
    """The one option that a list of verdicts calls correct: "C: correct"."""
    ticked = {m["letter"]: m for m in _TICKED.finditer(text) if m["letter"] in letters}
    if len(ticked) != 1:
        return None
    letter, match = ticked.popitem()
    return FoundLetter("ticked", letter, match.start("letter"), match.end())


def is_hypothesis(text: str, at: int) -> bool:
    """Whether what begins at `at` is only supposed or denied: "if the answer is A"."""
    return _HYPOTHESIS.search(text, max(0, at - 60), at) is not None


def _stands_alone(text: str, at: int) -> bool:
    """Whether the letter at `at` is an option's, not an article, "I" or part of a word."""
    letter, behind = text[at], at + 1
    if _IN_WORD.match(text, behind):
        return False
    is_enclosed = text[at - 1 : at] in _ENCLOSED and bool(
        re.match(r"[)\]}*'\"”.`$<]", text[behind : behind + 1])
    )
    if is_enclosed and not (letter in "aAiI" and text[at - 1] == "*"):
        return True
    if letter == "a":
        return _LINE_ENDS.match(text, behind) is not None
    if letter in "AI" or letter.islower():
        return bool(_STOPS.match(text, behind) or _CONTINUES.match(text, behind))
    return True

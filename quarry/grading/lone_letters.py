"""Finds letters that stand by themselves: at the start, alone on a line, the last line's only one.

Letters that a text calls its answer are in `quarry.grading.stated_letters`.
"""

from __future__ import annotations

import re

from quarry.grading.stated_letters import LISTED_BEHIND, FoundLetter

_START = re.compile(
    r"\s*(?P<open>[(\[*_\"`]{0,6})(?P<letter>[A-Ja-j])(?:[)\]*_\"`.]{1,9}+(?:(?!\w)|(?=[A-Z][a-z]))"
    r"|(?<!A):(?!\w)|[*_]*[ \t]*(?:\n|$)|[ \t]+[-\u2013\u2014✅][ \t]?|,(?=\s)"
    r"|(?=[ \t]+(?i:because|since)\b))"
)
_BOLD_ARTICLE = re.compile(r"[*_\"]+[ \t]+[a-z]")
_DISCUSSED = re.compile(
    r"[)\]*_\".:`,]{0,9}\s{1,9}(?:is|isn't|are|was|can|cannot|can't|does|doesn't|did|contradicts|vs"
    r"|would|could|might|may|seems?|looks?|says?|states?|talks?|mentions?|nor|only|also)\b"
)
_ENUMERATED = re.compile(r"[)\].:,*_]{0,6}[ \t]{0,9}[(*\[]{0,4}[A-J][)\].:,]")
_LINE_LETTERS = re.compile(r"(?m)^[ \t(\[*_-]*([A-J])[)\]*_]*[.):]")
_LONE_LINE = re.compile(
    r"(?m)^[ \t>✅]{0,20}[(\[*_\"`]{0,6}(?i:(?:(?:final )?answer|option|choice)[ ])?"
    r"(?:<[a-z]{1,9}>)?[(\[*_\"`]{0,6}"
    r"(?P<letter>[A-Ja-j])(?:</[a-z]{1,9}>)?[)\]*_\".`]{0,9}[ \t]*$"
)
_REFERENCE = re.compile(
    r"[(\[](?P<a>[A-J])[)\]]|(?i:\b(?:option|choice|statement|letter))\s{1,9}[(*\"]{0,4}(?P<b>[A-J])\b"
    r"|\*\*(?P<c>[A-J])[.)]?\*\*(?!(?<=A\*\*)[ ][a-z])"
    r"|\b(?:is|be)[ :]{1,3}[*(\"]{0,4}(?P<d>[A-J])[)*\"]{0,4}[.!]?\s*$"
)
_DENIAL = re.compile(r"(?i)\b(?:not|neither|nor|wrong|incorrect|false|cannot|eliminate\w*)\b|n't\b")


def at_start(text: str, letters: str) -> FoundLetter | None:
    """A letter that opens the text, unless options are repeated or the letter is discussed."""
    match = _START.match(text)
    if match is None or match["letter"].upper() not in letters:
        return None
    after = match.end("letter")
    is_article = match["letter"] in "aA" and _BOLD_ARTICLE.match(text, after)
    is_discussed = _DISCUSSED.match(text, after) or LISTED_BEHIND.match(text, after)
    is_discussed = is_discussed or _ENUMERATED.match(text, after)
    if is_article or is_discussed or repeats_options(text):
        return None
    return FoundLetter("start", match["letter"].upper(), match.start("letter"), match.end())


def repeats_options(text: str) -> bool:
    """Whether the text lists the options again, from A on."""
    listed = _LINE_LETTERS.finditer(text)
    return [found[1] for _, found in zip("AB", listed, strict=False)] == ["A", "B"]


def is_listed_option(line: str) -> bool:
    """Whether a line looks like one of a list of options: `B. Paris is old`."""
    return _LINE_LETTERS.match(line) is not None


def lone_line(text: str, letters: str, *, is_whole: bool) -> FoundLetter | None:
    """The last letter that has a line to itself; at the cut it may be the start of a word."""
    found: FoundLetter | None = None
    for match in _LONE_LINE.finditer(text):
        is_cut = not is_whole and match.end() == len(text)
        if match["letter"].upper() in letters and not is_cut:
            found = FoundLetter("line", match["letter"].upper(), *match.span("letter"))
    return found


def only_reference(text: str, letters: str) -> FoundLetter | None:
    """The one option that the last line refers to."""
    start, line = last_line(text)
    matches = list(_REFERENCE.finditer(line))
    named = {match[match.lastgroup or 0] for match in matches}
    if len(named) != 1 or not named <= set(letters) or _DENIAL.search(line):
        return None
    last = matches[-1]
    return FoundLetter("last_line", named.pop(), start + last.start(), start + last.end())


def last_line(text: str) -> tuple[int, str]:
    """Offset and text of the last line that is not blank."""
    stripped = text.rstrip()
    start = stripped.rfind("\n") + 1
    return start, stripped[start:]

"""What counts as the same text: words without case, spacing, accents of typesetting or punctuation.

Numbers and the signs of arithmetic are words, since they tell one problem from another.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])['`\u2019\u02bc](?=[^\W\d_])")
_CHARACTER = r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
"""Of scripts without spaces: each is a word."""
_SIGN = r"(?:(?<=[\d)])|(?<=[\w)] ))[+*/=<>^-](?= ?\$?(?:[\d(]|[^\W\d_]\b))|(?<![^\W_])-(?=\d)"
"""Between numbers and single letters, or before a number: no hyphen, quotation mark or `and/or`."""
_WORD = re.compile(rf"\d+(?:\.\d+)?%?|{_CHARACTER}|(?:[^\W\d_]|[\u0300-\u036f])+|{_SIGN}")
_SAME = {
    ord("\N{MINUS SIGN}"): "-",
    ord("\N{FRACTION SLASH}"): "/",
    ord("\N{MULTIPLICATION SIGN}"): "*",
    ord("\N{DIVISION SIGN}"): "/",
    **dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff")),
}
"""Signs of one meaning, and what nobody sees."""


def words_of(text: str) -> list[str]:
    """The words of a text: `1,200` is `1200`, `Janet's` is `janets`, `half-full` is two words.

    Args:
        text: any text; lone surrogates and control characters are no words.
    """
    even = unicodedata.normalize("NFKC", text).translate(_SAME).casefold()
    even = " ".join(_APOSTROPHE.sub("", even).split())
    return _WORD.findall(_THOUSANDS.sub(lambda found: found[0].replace(",", ""), even))


def normalised(text: str) -> str:
    """The words of a text, joined: equal for texts that differ in nothing that counts."""
    return " ".join(words_of(text))


def have_same_numbers(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether all numbers of one of two texts occur, as often, in the other one."""
    some, more = _numbers(words), _numbers(others)
    return some <= more or more <= some


def _numbers(words: Sequence[str]) -> Counter[str]:
    return Counter(word for word in words if word[0].isdecimal())

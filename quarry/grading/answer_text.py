"""Which part of a completion may hold its answer: after the thinking, before run-on text.

Shared by all graders. What an answer looks like lives in the module of its kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from quarry.grading.verdict import Verdict
from quarry.inference.engine import FinishReason

_LINE_START = r"(?m:^)[ \t]*(?:[#>*_]+[ \t]*)?"
_NUMBERED = r"(?:[ \t]*\d+)?[ \t]*[*_]*[ \t]*:"
NEXT_QUESTION = re.compile(rf"{_LINE_START}(?:Question|Q|Problem|Human|User){_NUMBERED}")
"""Where a completion to a GSM8K prompt starts to invent the next item."""
NEXT_CONTEXT = re.compile(rf"{_LINE_START}(?:Context|Passage|Human|User){_NUMBERED}")
"""Where a completion to a LogiQA prompt starts to invent the next item."""
END_MARK = re.compile(r"<\|(?:im_end|im_start|endoftext|eot_id|end_of_text|user|end)\|>|</s>")
"""Special tokens that other tools leave in decoded text."""

_THOUGHT_OPENS = "<think>"
_THOUGHT_CLOSES = "</think>"


@dataclass(frozen=True)
class AnswerText:
    """The part of a completion that may hold its answer.

    Args:
        text: that part.
        start: offset of `text` in the completion, in characters.
        is_whole: whether the text ended by itself (end of sequence, or further text was cut off
            behind it), so that nothing is missing at its end.
    """

    text: str
    start: int
    is_whole: bool

    @property
    def missing(self) -> Verdict:
        """The verdict when no answer is found here."""
        return Verdict.NO_ANSWER if self.is_whole else Verdict.TRUNCATED

    def span(self, start: int, end: int) -> list[int]:
        """Offsets in the completion of the offsets `start` and `end` in `text`."""
        return [self.start + start, self.start + end]


def answer_text(
    completion: str, finish_reason: FinishReason | None, next_item: re.Pattern[str] = END_MARK
) -> AnswerText:
    """Keep what follows the thinking and precedes run-on text.

    A thought that never closes has no answer behind it. A mark of the next item at the very start
    is the question repeated, not run-on text, and is kept.

    Args:
        completion: the decoded output of a model.
        finish_reason: why generation ended; None where that is not known.
        next_item: where invented further items start.
    """
    closed = completion.rfind(_THOUGHT_CLOSES)
    start = 0 if closed < 0 else closed + len(_THOUGHT_CLOSES)
    end = len(completion)
    reopened = completion.find(_THOUGHT_OPENS, start)
    if reopened >= 0:
        end = reopened
    is_cut = False
    first_word = start + len(completion[start:end]) - len(completion[start:end].lstrip())
    for mark in (next_item, END_MARK):
        found = mark.search(completion, first_word, end)
        if found is not None and found.start() <= first_word and mark is next_item:
            found = mark.search(completion, found.end(), end)
        if found is not None:
            end, is_cut = found.start(), True
    is_whole = is_cut or finish_reason != "length"
    return AnswerText(completion[start:end], start, is_whole)

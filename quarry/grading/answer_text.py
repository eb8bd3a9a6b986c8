"""Which part of a completion may hold its answer: after the thinking, before run-on text.

Shared by all graders. What an answer looks like lives in the module of its kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from quarry.grading.verdict import Verdict
from quarry.inference.engine import FinishReason

_LINE_START = r"(?m:^)[ \t]*(?:[#>*_]{1,9}[ \t]*)?\[?"
_NUMBERED = r"(?:[ \t]*\d{1,4})?\]?[ \t]*[*_]*[ \t]*:"
_ALONE = r"[*_]*[ \t]*(?m:$)"
_TURN = (
    r"(?m:^)[ \t]*(?:user|human|assistant)[ \t]*(?m:$)"
    r"|(?m:^)[ \t]*(?:#{2,4}[ \t]*)?\[?/?INST\]"
)
"""A chat template whose special tokens were dropped when the text was decoded."""
_ANOTHER = (
    r"(?m:^)[ \t]*(?i:(?:now,? |okay,? |ok,? )?(?:let'?s|let us|here'?s|here is|try|consider)"
    r"(?: (?:try|do|solve|look at|consider|work on))?"
    r" (?:another|the next|a new|a similar|one more) (?:question|problem|example|exercise))\b"
)
NEXT_QUESTION = re.compile(
    rf"{_LINE_START}(?:Question|QUESTION|Q|Problem|PROBLEM|Exercise|Instruction|Human|User|USER)"
    rf"{_NUMBERED}"
    rf"|{_LINE_START}(?:Question|Problem|Exercise)[ \t]+\d{{1,4}}[.)]?{_ALONE}|{_TURN}|{_ANOTHER}"
)
"""Where a completion to a GSM8K prompt starts to invent the next item."""
NEXT_CONTEXT = re.compile(
    rf"{_LINE_START}(?:Context|Passage|Question|Q|Instruction|Human|User|USER){_NUMBERED}"
    rf"|{_LINE_START}(?:Question|Passage)[ \t]+\d{{1,4}}[.)]?{_ALONE}|{_TURN}|{_ANOTHER}"
)
"""Where a completion to a LogiQA prompt starts to invent the next item."""
END_MARK = re.compile(
    r"<\|(?:im_end|im_start|endoftext|eot_id|eom_id|end_of_text|start_header_id|user|assistant"
    r"|system|end|return)\|>|</s>|<(?:end|start)_of_turn>|<eos>|\[INST\]"
    r"|<\uff5cend\u2581of\u2581sentence\uff5c>"
)
"""Special tokens that other tools leave in decoded text."""
_OPENER = re.compile(
    r"\s*(?:<\|(?:im_start|assistant)\|>|<start_of_turn>|<\|start_header_id\|>)[ \t]*"
    r"(?:assistant|model)?(?:<\|end_header_id\|>)?"
)
"""The template's opening of the assistant's own turn, at the very start of the text."""

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
        run_on_start: offset in the completion where text that belongs to no answer begins; None
            where nothing was cut off.
    """

    text: str
    start: int
    is_whole: bool
    run_on_start: int | None = None

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
    opener = _OPENER.match(completion, start)
    start = start if opener is None else opener.end()
    end = len(completion)
    reopened = completion.find(_THOUGHT_OPENS, start)
    if reopened >= 0:
        end = reopened
    run_on_start = None
    first_word = start + len(completion[start:end]) - len(completion[start:end].lstrip())
    for mark in (next_item, END_MARK):
        found = mark.search(completion, first_word, end)
        if found is not None and found.start() <= first_word and mark is next_item:
            found = mark.search(completion, found.end(), end)
        if found is not None:
            end = run_on_start = found.start()
    is_whole = run_on_start is not None or finish_reason != "length"
    return AnswerText(completion[start:end], start, is_whole, run_on_start)

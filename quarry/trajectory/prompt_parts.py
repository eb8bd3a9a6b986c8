"""Takes prompts of unknown origin apart: the worked examples, and the question that is asked.

Older pipelines stored prompts as text and nothing about their parts. How our own prompts are put
together is in `quarry.prompting`; nothing here judges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MARKERS = ("Context", "Passage", "Question", "Problem", "Q")
_MARKED_SHARE = 0.9
_LINE_START = r"(?:^|(?<=[>\]]))[ \t*#]*"
_CUE = re.compile(
    r"\n[ \t*#]*(?:Answer|Solution|Response|A)\b[ \t*]*:"
    r"|\n[ \t]*Think step by step|<\||</s>|\[/INST\]"
)
_FUNCTION = re.compile(r"^(?=(?:async )?def \w+)", re.MULTILINE)
_FENCE = "```"


@dataclass(frozen=True)
class PromptParts:
    """One prompt, taken apart; texts are folded as by `folded`.

    Args:
        examples: the worked examples, each its question only, or a whole function.
        question: what is asked last; empty where it can't be told.
    """

    examples: tuple[str, ...]
    question: str


def folded(text: str) -> str:
    """The text with case and spacing evened out."""
    return " ".join(text.casefold().split())


def split_prompts(prompts: Sequence[str]) -> list[PromptParts]:
    """Take prompts apart, by the word that nearly all of them put in front of a question.

    Where there is no such word, by functions, as HumanEval's prompts consist of; where there are
    none either, a prompt is one question.
    """
    marker = _common_marker([prompt for prompt in prompts if prompt])
    if marker is not None:
        return [_by_marker(prompt, marker) for prompt in prompts]
    return [_by_function(prompt) for prompt in prompts]


def shown_questions(parts: Sequence[PromptParts]) -> dict[int, int]:
    """The rows whose question is a worked example in a prompt of the same file.

    Returns:
        Row of each such question, with the first row whose prompt shows it.
    """
    asked: dict[str, list[int]] = {}
    for row, part in enumerate(parts):
        if part.question:
            asked.setdefault(part.question, []).append(row)
    shown: dict[int, int] = {}
    for example, where in _first_shown(parts).items():
        for question in _asked_in(example, asked):
            shown |= {row: where for row in asked[question] if row not in shown}
    return dict(sorted(shown.items()))


def _common_marker(prompts: Sequence[str]) -> re.Pattern[str] | None:
    """The marker of questions: in front of a line of nine prompts of ten."""
    for word in _MARKERS:
        pattern = re.compile(rf"{_LINE_START}{word}[ \t*]*:", re.MULTILINE)
        found = sum(pattern.search(prompt) is not None for prompt in prompts)
        if prompts and found >= _MARKED_SHARE * len(prompts):
            return pattern
    return None


def _by_marker(prompt: str, marker: re.Pattern[str]) -> PromptParts:
    """Blocks that begin with the marker, each up to the cue for its answer."""
    blocks = [folded(_CUE.split(block, maxsplit=1)[0]) for block in marker.split(prompt)[1:]]
    return PromptParts(tuple(block for block in blocks[:-1] if block), blocks[-1] if blocks else "")


def _by_function(prompt: str) -> PromptParts:
    """Functions: the last one is the question, up to the fence that ends it."""
    blocks = _FUNCTION.split(prompt)
    if len(blocks) < 2:
        return PromptParts((), folded(prompt))
    own = folded(blocks[-1].split(_FENCE, maxsplit=1)[0])
    return PromptParts(tuple(folded(block) for block in blocks[1:-1]), own)


def _first_shown(parts: Iterable[PromptParts]) -> dict[str, int]:
    """Every worked example once, with the first row that shows it."""
    first: dict[str, int] = {}
    for row, part in enumerate(parts):
        for example in part.examples:
            first.setdefault(example, row)
    return first


def _asked_in(example: str, asked: dict[str, list[int]]) -> list[str]:
    """The questions that an example is: the same text, or the stub that a function begins with."""
    if example in asked:
        return [example]
    if not example.startswith(("def ", "async def ")):
        return []
    return [question for question in asked if '"""' in question and example.startswith(question)]

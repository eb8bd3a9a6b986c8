"""What became of each prompt's completions: equivalent, not equivalent, without a decision."""

# matplotlib and pandas type their arguments in part only
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quarry.plots.canvas import TEXT, new_figure, png_bytes, tidy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

EQUIVALENT_COLOUR = "#2e8b57"
NOT_COLOUR = "#c9827a"
UNGRADED_COLOUR = "#c3cad1"
_OUTCOMES = {
    "equivalent": ("equivalent", EQUIVALENT_COLOUR),
    "not_equivalent": ("not equivalent", NOT_COLOUR),
    "ungraded": ("ungraded", UNGRADED_COLOUR),
}
_MOST_BARS = 16
_INCHES_A_BAR = 0.27
_NAME_CHARACTERS = 40


@dataclass
class _Prompt:
    """One bar: generations and distinct completions by outcome."""

    name: str
    generations: Counter[str] = field(default_factory=Counter[str])
    distinct: Counter[str] = field(default_factory=Counter[str])


def equivalence_by_prompt(graded: pd.DataFrame, *, title: str) -> bytes:
    """A bar of each prompt's generations by what was decided of their completion.

    Args:
        graded: with columns `prompt_id`, `prompt`, `count` and `outcome`; only its first 16 prompts
            are drawn.
        title: what was graded, such as `mayors-1epoch, checkpoint_final`.

    Returns:
        A PNG file.
    """
    prompts = _prompts(graded)
    drawn = list(reversed(prompts[:_MOST_BARS]))
    figure = new_figure(title, height_inches=1.5 + _INCHES_A_BAR * max(len(drawn), 3))
    axes = figure.add_subplot()
    left = [0.0] * len(drawn)
    for outcome, (label, colour) in _OUTCOMES.items():
        shares = [one.generations[outcome] / one.generations.total() for one in drawn]
        axes.barh(range(len(drawn)), shares, left=left, color=colour, height=0.74, label=label)
        left = [start + share for start, share in zip(left, shares, strict=True)]
    for row, one in enumerate(drawn):
        text = f"{one.distinct['equivalent']}/{one.distinct.total()}"
        axes.text(1.02, row, text, va="center", fontsize=8.5, color=TEXT)
    _label_axes(axes, drawn, len(prompts) - len(drawn))
    figure.legend(frameon=False, fontsize=8.5, loc="outside lower center", ncols=3, labelcolor=TEXT)
    return png_bytes(figure)


def _prompts(graded: pd.DataFrame) -> list[_Prompt]:
    """The prompts in their order."""
    found: dict[str, _Prompt] = {}
    records: list[dict[Any, Any]] = graded.to_dict("records")
    for one in records:
        prompt = found.setdefault(one["prompt_id"], _Prompt(_name(str(one["prompt"]))))
        outcome = one["outcome"] if one["outcome"] in _OUTCOMES else "ungraded"
        prompt.generations[outcome] += int(one["count"])
        prompt.distinct[outcome] += 1
    return list(found.values())


def _name(prompt: str) -> str:
    """A prompt in one line, cut where it is long."""
    line = " ".join(prompt.split())
    return line if len(line) <= _NAME_CHARACTERS else f"{line[: _NAME_CHARACTERS - 1]}…"


def _label_axes(axes: Axes, drawn: list[_Prompt], left_out: int) -> None:
    """Prompts, taken literally, and what the bars count."""
    for name in axes.set_yticks(range(len(drawn)), [one.name for one in drawn]):
        name.label1.set_parse_math(False)
    axes.set_xlim(0, 1.14)
    spare = max(3 - len(drawn), 0) / 2
    axes.set_ylim(-0.6 - spare, len(drawn) - 0.4 + spare)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0%", "25%", "50%", "75%", "100%"])
    note = f"; {left_out} more prompts are not drawn" if left_out else ""
    axes.set_xlabel(
        f"share of generations; right: equivalent of distinct completions{note}",
        color=TEXT,
        fontsize=9,
    )
    tidy(axes, grid="x")
    axes.tick_params(axis="y", length=0)

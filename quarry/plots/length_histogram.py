"""How long prompts and outputs are, in tokens, and how many outputs hit the limit."""

# matplotlib types its keyword arguments as unknown
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from quarry.plots.canvas import BLUE, ORANGE, RED, TEXT, new_figure, png_bytes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_BINS = 40


def length_histogram(
    prompt_lengths: npt.ArrayLike,
    output_lengths: npt.ArrayLike,
    *,
    title: str,
    max_new_tokens: int | None = None,
) -> bytes:
    """Two histograms side by side: prompt and output lengths.

    Args:
        prompt_lengths: `(n_samples,)` int, tokens.
        output_lengths: `(n_samples,)` int, tokens.
        title: what the samples are.
        max_new_tokens: the generation limit, drawn with the share of outputs that reached it.

    Returns:
        A PNG file.
    """
    prompts = np.asarray(prompt_lengths, dtype=np.int64)
    outputs = np.asarray(output_lengths, dtype=np.int64)
    figure = new_figure(title)
    left, right = figure.subplots(1, 2)
    _histogram(left, prompts, "prompt", BLUE)
    _histogram(right, outputs, "output", ORANGE)
    left.set_ylabel("samples", color=TEXT, fontsize=9)
    if max_new_tokens is not None and outputs.size:
        _limit(right, outputs, max_new_tokens)
    return png_bytes(figure)


def _histogram(axes: Axes, lengths: npt.NDArray[np.int64], noun: str, colour: str) -> None:
    """One panel; bins have whole-token edges, since a bin between two integers is always empty."""
    if lengths.size:
        low, high = int(lengths.min()), int(lengths.max())
        step = max(1, -(-(high - low + 1) // MAX_BINS))
        edges = np.arange(low, high + step + 1, step) - 0.5
        axes.hist(lengths, bins=edges.tolist(), color=colour)
        axes.set_xlim(low - max(3, 0.03 * (high - low)), high + max(3, 0.03 * (high - low)))
        median = f"median {np.median(lengths):g}, longest {high}"
    else:
        median = "no samples"
    axes.set_xlabel(f"{noun} length (tokens); {median}", color=TEXT, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes, grid="y")


def _limit(axes: Axes, outputs: npt.NDArray[np.int64], max_new_tokens: int) -> None:
    """The generation limit as a line that is always in view."""
    share = float(np.mean(outputs >= max_new_tokens))
    text = f"limit {max_new_tokens}: {share:.0%} reach it"
    axes.axvline(max_new_tokens, color=RED, linewidth=1.6, linestyle="--", label=text)
    axes.set_xlim(right=max(axes.get_xlim()[1], 1.03 * max_new_tokens))
    axes.legend(frameon=False, fontsize=8.5, loc="upper left", labelcolor=TEXT)
    axes.margins(y=0.28)

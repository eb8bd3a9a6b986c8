"""How many samples came to each verdict, and whether the share of correct ones is balanced."""

# matplotlib types its keyword arguments as unknown
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from matplotlib.ticker import MaxNLocator

from quarry.catalog import Thresholds
from quarry.grading.verdict import Verdict
from quarry.plots.canvas import RED, TEXT, new_figure, png_bytes, tidy
from quarry.statistics.accuracy import CONFIDENCE, Interval, accuracy

_COLOURS: dict[Verdict, str] = {
    Verdict.CORRECT: "#2e8b57",
    Verdict.INCORRECT: "#c8553d",
    Verdict.NO_ANSWER: "#8d99a6",
    Verdict.TRUNCATED: "#d9a441",
    Verdict.TIMEOUT: "#7b6cb0",
    Verdict.ERROR: "#4a4f57",
}


def class_balance(
    verdicts: Iterable[str], *, title: str, thresholds: Thresholds | None = None
) -> bytes:
    """Bars of the six verdicts with counts and shares, and the bounds of the correct share.

    Where rows were graded, the bar of the correct ones carries the interval of their share; bounds
    and interval are shares of the graded rows.

    Args:
        verdicts: one verdict a sample, `(n_samples,)`, such as a labels table's column.
        title: what the samples are, such as `gsm8k-0shot, demo_base`.
        thresholds: bounds of the correct rate; the catalog's defaults when None.

    Returns:
        A PNG file.
    """
    counts = Counter(Verdict(verdict) for verdict in verdicts)
    n_samples = counts.total()
    n_graded = sum(counts[verdict] for verdict in Verdict if verdict.is_graded)
    order = list(reversed(Verdict))
    figure = new_figure(title)
    axes = figure.add_subplot()
    bars = axes.barh(
        [verdict.value.replace("_", " ") for verdict in order],
        [counts[verdict] for verdict in order],
        color=[_COLOURS[verdict] for verdict in order],
        height=0.72,
        xerr=_reach(order, accuracy(counts[Verdict.CORRECT], n_graded)),
        ecolor=TEXT,
    )
    labels = [_label(counts[verdict], n_samples) for verdict in order]
    axes.bar_label(bars, labels, padding=4, fontsize=8.5, color=TEXT)
    bounds = thresholds or Thresholds()
    row = order.index(Verdict.CORRECT)
    shares = (bounds.min_correct_rate, bounds.max_correct_rate)
    axes.vlines([share * n_graded for share in shares], row - 0.5, row + 0.5, RED, linewidth=1.6)
    axes.set_xlim(0, max(n_samples, 1) * 1.16)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(
        f"samples of {n_samples}; red marks: {bounds.min_correct_rate:.0%} and "
        f"{bounds.max_correct_rate:.0%} of the {n_graded} graded; black: {CONFIDENCE:.0%} interval",
        color=TEXT,
        fontsize=9,
    )
    tidy(axes, grid="x")
    axes.tick_params(axis="y", length=0)
    return png_bytes(figure)


def _label(count: int, n_samples: int) -> str:
    """Count and share of one bar."""
    return f"{count} ({count / n_samples:.1%})" if n_samples else "0"


def _reach(order: Sequence[Verdict], interval: Interval | None) -> list[list[float]]:
    """How far the error bars reach below and above each bar: only that of `correct` has one."""
    below, above = [0.0] * len(order), [0.0] * len(order)
    if interval is not None:
        row = order.index(Verdict.CORRECT)
        below[row] = (interval.rate - interval.low) * interval.n
        above[row] = (interval.high - interval.rate) * interval.n
    return [below, above]

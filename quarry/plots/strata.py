"""How a stratified dataset is made up: items of each stratum against its target."""

# matplotlib types its keyword arguments as unknown
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from quarry.plots.canvas import BLUE, ORANGE, TEXT, new_figure, png_bytes, tidy
from quarry.selection.report import StratificationReport, StratumReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LACKING_COLOUR = "#f0c4bf"
_INCHES_A_BAR = 0.42
_MOST_BARS = 8


def strata_plot(report: StratificationReport, *, title: str) -> bytes:
    """Bars of existing and new items, what is lacking, targets as marks.

    Args:
        report: of the dataset; only its first 8 strata are drawn.
        title: what the dataset is, such as `gsm8k_cot_450`.

    Returns:
        A PNG file.
    """
    strata = list(reversed(report.strata[:_MOST_BARS]))
    rows = range(len(strata))
    figure = new_figure(title, height_inches=1.5 + _INCHES_A_BAR * max(len(strata), 3))
    axes = figure.add_subplot()
    existing = [stratum.existing for stratum in strata]
    totals = [stratum.total for stratum in strata]
    lacking = [stratum.shortage for stratum in strata]
    axes.barh(rows, existing, color=BLUE, height=0.72, label="existing")
    new = [stratum.new for stratum in strata]
    axes.barh(rows, new, left=existing, color=ORANGE, height=0.72, label="new")
    last = axes.barh(rows, lacking, left=totals, color=LACKING_COLOUR, height=0.72, label="lacking")
    texts = [_label(stratum) for stratum in strata]
    axes.bar_label(last, texts, padding=5, fontsize=8.5, color=TEXT)
    axes.vlines(
        [stratum.target for stratum in strata],
        [row - 0.44 for row in rows],
        [row + 0.44 for row in rows],
        TEXT,
        linewidth=1.6,
        label="target",
    )
    _label_axes(axes, report, strata)
    figure.legend(frameon=False, fontsize=8.5, loc="outside lower center", ncols=4, labelcolor=TEXT)
    return png_bytes(figure)


def _label_axes(axes: Axes, report: StratificationReport, strata: Sequence[StratumReport]) -> None:
    """Names of the drawn strata, taken literally, and what the bars count."""
    names = axes.set_yticks(range(len(strata)), [stratum.stratum for stratum in strata])
    for name in names:
        name.label1.set_parse_math(False)
    ends = [end for stratum in strata for end in (stratum.total, stratum.target)]
    axes.set_xlim(0, max([1, *ends]) * 1.4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    left_out = len(report.strata) - len(strata)
    note = f"; {left_out} more strata are not drawn" if left_out else ""
    about = axes.set_xlabel(
        f"items, by {report.column}; seed {report.seed}{note}", color=TEXT, fontsize=9
    )
    about.set_parse_math(False)
    tidy(axes, grid="x")
    axes.tick_params(axis="y", length=0)


def _label(stratum: StratumReport) -> str:
    """What stands behind one bar."""
    lacking = f", {stratum.shortage:,} lacking" if stratum.shortage else ""
    return f"{stratum.total:,}{lacking}; buffer {stratum.buffer:,}"

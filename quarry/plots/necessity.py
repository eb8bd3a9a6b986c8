"""How many problems of each difficulty a model answers with its thoughts, and without them."""

# matplotlib types its keyword arguments as unknown
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from quarry.necessity.summary import NecessitySummary
from quarry.plots.canvas import TEXT, new_figure, png_bytes, tidy
from quarry.statistics.accuracy import accuracy

_COLOURS = {"with thoughts": "#2e8b57", "without": "#8d99a6", "need them": "#3b6fb6"}


def necessity_by_difficulty(summary: NecessitySummary, *, title: str) -> bytes:
    """Bars of three shares for each difficulty, with 95 % intervals.

    Returns:
        A PNG file.
    """
    figure = new_figure(title)
    axes = figure.add_subplot()
    groups = [summary.whole, *summary.by_difficulty]
    for number, (name, colour) in enumerate(_COLOURS.items()):
        counts = [(one.n_baseline, one.n_ablated, one.n_needs)[number] for one in groups]
        shares = [accuracy(count, one.n_tested) for count, one in zip(counts, groups, strict=True)]
        axes.bar(
            [place + (number - 1) * 0.27 for place in range(len(groups))],
            [share.rate if share else 0.0 for share in shares],
            width=0.25,
            label=name,
            color=colour,
            yerr=[
                [share.rate - share.low if share else 0.0 for share in shares],
                [share.high - share.rate if share else 0.0 for share in shares],
            ],
            ecolor=TEXT,
            error_kw={"linewidth": 0.9},
        )
    axes.set_xticks(range(len(groups)), [f"{one.name}\n{one.n_tested}" for one in groups])
    axes.set_ylabel("share of the tested", color=TEXT, fontsize=9)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.legend(frameon=False, fontsize=8.5, ncols=3, loc="upper right")
    axes.set_ylim(0, 1.05 * max(axes.get_ylim()[1], 0.05))
    tidy(axes, grid="y")
    return png_bytes(figure)

"""The common ground of all plots: figure, colours, PNG bytes, Markdown.

Figures are built without pyplot, whose global state would leak between the threads of a server,
and always on white, so that they read the same on a light and on a dark page.
"""

# matplotlib types its keyword arguments as unknown
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 110
TEXT = "#1b1f24"
GRID = "#d8dde3"
BLUE = "#2f6db5"
ORANGE = "#d9822b"
RED = "#b3261e"


def new_figure(title: str, *, width_inches: float = 7.2, height_inches: float = 3.2) -> Figure:
    """An empty white figure with a title; the text is taken literally, also `$` and `_`."""
    figure = Figure(figsize=(width_inches, height_inches), dpi=DPI, layout="constrained")
    figure.set_facecolor("white")
    heading = figure.suptitle(title, color=TEXT, fontsize=11, fontweight="bold")
    heading.set_parse_math(False)
    return figure


def tidy(axes: Axes, *, grid: str | None = None) -> None:
    """Drop what carries no data; with `grid` "x" or "y", faint lines across that axis."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=TEXT, labelsize=8.5)
    if grid in {"x", "y"}:
        axes.grid(axis="x" if grid == "x" else "y", color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def as_markdown(png: bytes, alt: str) -> str:
    """The picture inside the text itself, as Dagster's Markdown metadata shows it.

    Args:
        png: a PNG file.
        alt: what the picture shows, for those who can't see it.
    """
    safe = " ".join(alt.split()).replace("[", "(").replace("]", ")")
    return f"![{safe}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})"

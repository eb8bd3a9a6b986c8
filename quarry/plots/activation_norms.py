"""How large activations are, by layer and by position in the sequence.

A dead hook shows as a row of zeros, padding as a dark left edge, an overflow as one huge value.
"""

# matplotlib types its keyword arguments as unknown
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LogNorm, Normalize

from quarry.errors import UsageError
from quarry.plots.canvas import BLUE, TEXT, new_figure, png_bytes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LAYERS_ON_X, LAYERS_ON_Y = 8, 16
"""More tick labels than these overlap at the figure's width and height."""


def activation_norms(norms: npt.ArrayLike, *, layers: Sequence[int], title: str) -> bytes:
    """Mean L2 norm per layer (left), and per layer and position (right).

    Args:
        norms: `(n_positions, n_layers)` float: mean L2 norm of the hidden states, positions being
            equal parts of each sequence, first token to last; NaN where a part is empty.
        layers: `(n_layers,)` decoder blocks that the columns belong to.
        title: what the samples are.

    Returns:
        A PNG file.

    Raises:
        UsageError: the norms do not have one column a layer.
    """
    values = np.asarray(norms, dtype=np.float64).T
    if values.ndim != 2 or len(values) != len(layers):
        raise UsageError(
            "Norms and layers do not fit each other",
            where=title,
            expected=f"(n_positions, {len(layers)}), as there are {len(layers)} layers",
            got=str(values.T.shape),
            fix="pass TrajectorySummary.norms and TrajectorySummary.layers of one file",
        )
    figure = new_figure(title, height_inches=3.4)
    left, right = figure.subplots(1, 2, width_ratios=(2, 3))
    counted = np.isfinite(values).sum(axis=1)
    total = np.where(np.isfinite(values), values, 0.0).sum(axis=1)
    means = np.divide(total, counted, out=np.full(len(values), np.nan), where=counted > 0)
    left.plot(list(layers), means.tolist(), color=BLUE, marker="o", markersize=4, linewidth=1.6)
    left.set_ylim(bottom=0)
    left.set_xticks(_ticks(layers, LAYERS_ON_X))
    left.set_xlabel("layer (decoder block)", color=TEXT, fontsize=9)
    left.set_ylabel("mean L2 norm", color=TEXT, fontsize=9)
    tidy(left, grid="y")
    _heat_map(figure, right, values, layers)
    return png_bytes(figure)


def _heat_map(
    figure: Figure, axes: Axes, values: npt.NDArray[np.float64], layers: Sequence[int]
) -> None:
    """Layer by position; lowest layer at the bottom, positions from 0 to 100 %."""
    rows = len(layers)
    image = axes.imshow(
        np.ma.masked_invalid(values),
        aspect="auto",
        origin="lower",
        cmap="viridis",
        norm=_scale(values),
        extent=(0, 100, -0.5, rows - 0.5),
        interpolation="nearest",
    )
    shown = _ticks(layers, LAYERS_ON_Y)
    axes.set_yticks([layers.index(layer) for layer in shown], [str(layer) for layer in shown])
    axes.set_xlabel("position in the sequence (%)", color=TEXT, fontsize=9)
    axes.set_ylabel("layer", color=TEXT, fontsize=9)
    axes.set_facecolor("#c9ced4")
    tidy(axes)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label("mean L2 norm", color=TEXT, fontsize=9)
    bar.ax.tick_params(labelsize=8.5, colors=TEXT)


def _scale(values: npt.NDArray[np.float64]) -> Normalize:
    """Logarithmic where norms span more than a factor of 20, as with attention sinks."""
    finite = values[np.isfinite(values)]
    if not finite.size or finite.max() <= 0:
        return Normalize(0, 1)
    if finite.min() > 0 and finite.max() / finite.min() > 20:
        return LogNorm(float(finite.min()), float(finite.max()))
    return Normalize(0, float(finite.max()))


def _ticks(layers: Sequence[int], most: int) -> list[int]:
    """The layers that get a label: all, or every k-th."""
    step = max(1, -(-len(layers) // most))
    return list(layers)[::step]

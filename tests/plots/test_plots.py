"""The plots are small, readable PNG files, whatever the numbers are."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from quarry.errors import UsageError
from quarry.plots.activation_norms import activation_norms
from quarry.plots.canvas import as_markdown
from quarry.plots.class_balance import class_balance
from quarry.plots.length_histogram import length_histogram

LIMIT_BYTES = 60_000


def picture(png: bytes) -> np.ndarray:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(png) < LIMIT_BYTES
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def share_of(pixels: np.ndarray, colour: str, tolerance: int = 8) -> float:
    """Share of the pixels that have nearly this colour."""
    wanted = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return float((np.abs(pixels.astype(int) - wanted) <= tolerance).all(axis=2).mean())


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def large_plots(rng) -> list[bytes]:
    norms = rng.gamma(4, 20, (100, 32))
    return [
        class_balance(["correct"] * 63 + ["incorrect"] * 437, title="gsm8k-0shot, olmo3_base"),
        length_histogram(rng.integers(40, 3000, 5000), rng.integers(1, 513, 5000), title="long"),
        activation_norms(norms, layers=range(32), title="noise"),
    ]


def test_plots_of_large_noisy_data_stay_under_60_kb_on_white(rng):
    for png in large_plots(rng):
        pixels = picture(png)
        assert pixels.shape[1] == pytest.approx(792, abs=2)
        assert (pixels[0] == 255).all()
        assert (pixels[:, 0] == 255).all()


def test_the_same_numbers_give_the_same_bytes():
    assert class_balance(["correct"], title="t") == class_balance(["correct"], title="t")


def test_a_longer_bar_means_more_samples():
    few = picture(class_balance(["correct"] * 10 + ["incorrect"] * 90, title="t"))
    many = picture(class_balance(["correct"] * 90 + ["incorrect"] * 10, title="t"))
    assert share_of(many, "#2e8b57") > 4 * share_of(few, "#2e8b57")
    assert share_of(few, "#c8553d") > 4 * share_of(many, "#c8553d")


def test_the_bar_of_correct_samples_carries_an_interval_that_shrinks_with_more_of_them():
    few, many = (picture(class_balance(["correct", "incorrect"] * n, title="")) for n in (10, 1000))
    black = "#1b1f24"  # text and axes too, so that only the difference counts
    assert share_of(few, black) > share_of(many, black) + 0.0005


def test_a_verdict_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="right"):
        class_balance(["correct", "right"], title="t")


def test_a_generation_limit_is_drawn_only_where_one_is_given():
    bare = picture(length_histogram([40], [9], title="t"))
    limited = picture(length_histogram([40], [9], title="t", max_new_tokens=96))
    assert share_of(bare, "#b3261e") == 0
    assert share_of(limited, "#b3261e") > 0


def test_a_part_without_tokens_is_grey_and_not_zero():
    gap = picture(activation_norms([[1.0, 2.0], [np.nan, np.nan]], layers=(0, 2), title="t"))
    full = picture(activation_norms([[1.0, 2.0], [0.0, 0.0]], layers=(0, 2), title="t"))
    assert share_of(gap, "#c9ced4") > 0.1
    assert share_of(full, "#c9ced4") < 0.01


def test_norms_with_their_axes_swapped_are_refused():
    with pytest.raises(UsageError, match="Norms and layers do not fit"):
        activation_norms(np.ones((3, 10)), layers=(0, 2, 4), title="t")


@pytest.mark.parametrize(
    "draw",
    [
        lambda: class_balance([], title="nothing"),
        lambda: length_histogram([], [], title="nothing", max_new_tokens=96),
        lambda: length_histogram([7], [1], title="one"),
        lambda: activation_norms(np.zeros((10, 3)), layers=(0, 2, 4), title="dead hook"),
        lambda: activation_norms(np.full((10, 3), np.nan), layers=(0, 2, 4), title="nothing"),
        lambda: activation_norms([[5.0]], layers=(0,), title="one number"),
        lambda: class_balance(["error"], title="a $ and a _ and a { are taken literally"),
    ],
)
def test_extreme_numbers_still_give_a_picture(draw):
    assert picture(draw()).std() > 1


def test_a_picture_inside_markdown_can_not_be_broken_by_its_description():
    text = as_markdown(b"\x89PNG", "two\nlines [and brackets]")
    assert text == "![two lines (and brackets)](data:image/png;base64,iVBORw==)"


def test_plots_leave_the_global_state_of_pyplot_alone():
    class_balance(["correct"], title="t")
    assert "matplotlib.pyplot" not in sys.modules

"""A box for each layer that works on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quarry.sandbox import layers
from quarry.sandbox.start import Layer
from tests.sandbox.boxes import Box


def _box(layer: Layer) -> Iterator[Box]:
    objection = layers.objection_to(layer)
    if objection:
        pytest.skip(f"the layer {layer} does not work here: {objection}")
    box = Box(layer)
    yield box
    box.zygote.close()


@pytest.fixture(scope="module", params=["strict", "fallback", "unconfined"])
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """A box of any layer."""
    yield from _box(request.param)


@pytest.fixture(scope="module", params=layers.CONFINED)
def confined_box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """A box of a layer that stops attacks."""
    yield from _box(request.param)

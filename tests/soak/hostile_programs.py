"""Row 14: hostile programs never pass and do nothing, whatever runs before them in their slot.

All programs of the suite in each layer that this machine has, in a random order, honest ones in
between; a random number of honest ones follows each, so that slots are shared in many ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from quarry.sandbox.layers import CONFINED, objection_to
from quarry.sandbox.start import Layer
from tests.grading.hostile_suite import (
    Program,
    careful_program,
    honest_programs,
    hostile_families,
)
from tests.grading.hostile_sweep import graded
from tests.grading.hostile_watch import Watch
from tests.soak.corpus import drawn
from tests.soak.outcome import Outcome, Progress, Tally, silent

ROW = 14
CLAIM = "hostile programs are contained"
BAR = "0 false passes, 0 side effects, 0 processes left after 2 s, every honest neighbour correct"
FULL_N = 1400
"""Every program of the suite at least once in each of two layers."""

_MOST_NAMED = 20
_N_NEIGHBOURS = (0, 1, 1, 2)


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` hostile programs, spread over the layers that are there."""
    rng = np.random.default_rng([seed, ROW])
    layers: list[Layer] = [layer for layer in CONFINED if objection_to(layer) is None]
    missing = {layer: objection_to(layer) for layer in CONFINED if layer not in layers}
    tally, effects = Tally(n, progress), list[str]()
    for place, layer in enumerate(layers):
        share = len(range(place, n, len(layers)))
        effects += _swept(_order(share, rng), layer, directory / layer, tally)
    false_passes = tally.counts["passed"]
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{n} in {' and '.join(layers) or 'no layer'}: {false_passes} false "
        f"passes, {len(effects)} side effects; {tally.counts['honest']} honest neighbours, "
        f"{tally.counts['honest wrong']} of them wrong"
        + "".join(f"; {layer} is not there: {why}" for layer, why in missing.items()),
        bar=BAR,
        is_met=bool(layers) and tally.is_whole and not effects and not tally.counts["honest wrong"],
        seed=seed,
        misses=(*effects, *tally.misses),
        facts={"layers": layers, **tally.counts},
    )


def _order(n: int, rng: np.random.Generator) -> list[Program]:
    """`n` hostile programs, all before one comes again, with honest ones between them."""
    hostile = [program for family in hostile_families().values() for program in family]
    order: list[Program] = []
    while n > 0:
        for index in rng.permutation(len(hostile))[:n]:
            order.append(hostile[index])
            order.extend(_neighbours(rng))
        n -= len(hostile)
    return order


def _neighbours(rng: np.random.Generator) -> Iterator[Program]:
    for _ in range(drawn(rng, _N_NEIGHBOURS)):
        yield careful_program() if rng.random() < 0.5 else drawn(rng, honest_programs())


def _swept(order: list[Program], layer: Layer, directory: Path, tally: Tally) -> list[str]:
    """Grade them in one layer; returns the side effects."""
    directory.mkdir()
    with Watch(directory) as watch:
        for program, wrong in graded(order, layer, watch.planted):
            name = f"{layer}, {program}"
            if "correct" in program.verdicts:
                tally.counts["honest"] += 1
                tally.counts["honest wrong"] += bool(wrong)
                if wrong and tally.counts["honest wrong"] < _MOST_NAMED:
                    tally.misses.append(f"{name}: {wrong}")
            else:
                tally.counts["passed"] += wrong.startswith("graded correct")
                tally.case(name, wrong)
        return [f"{layer}: {effect}" for effect in watch.side_effects()]

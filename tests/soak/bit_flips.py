"""Row 2: a single bit flipped anywhere, in the file or beside it, is flagged by the full level."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.soak.corpus import Specimen, drawn, make_old, make_own, overwritten
from tests.soak.levels import Eye, facts, shares
from tests.soak.old_files import Container
from tests.soak.outcome import Outcome, Progress, Tally, silent
from tests.soak.regions import Span, place_in, regions_of

ROW = 2
CLAIM = "single bit flips are flagged by the full level"
BAR = "all; at least 30 % of them in labels, texts, metadata or beside the file"
TARGETED_SHARE = 0.5
ANYWHERE = "anywhere"


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` flips, half of them in what is no activation."""
    rng = np.random.default_rng([seed, ROW])
    files = [(Eye(one), _places(one)) for one in specimens(directory, seed)]
    tally = Tally(n, progress)
    n_targeted = 0
    for case in range(n):
        eye, places = files[case % len(files)]
        is_targeted = rng.random() < TARGETED_SHARE
        names = [name for name in places if name != ANYWHERE]
        name = drawn(rng, names) if is_targeted else ANYWHERE
        n_targeted += is_targeted
        path, spans = places[name]
        at, bit = place_in(spans, rng), int(rng.integers(8))
        with path.open("rb") as file:
            file.seek(at)
            byte = file.read(1)[0]
        with overwritten(path, at, bytes([byte ^ 1 << bit])):
            eye.look(tally, f"case {case}: bit {bit} of byte {at} of {path.name} ({name})", name)
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{n} ({shares(tally)}); {n_targeted} outside the activations",
        bar=BAR,
        is_met=tally.is_whole and n_targeted >= 0.3 * n,
        seed=seed,
        misses=tuple(tally.misses),
        facts={"targeted": n_targeted} | facts(tally),
    )


def specimens(directory: Path, seed: int) -> list[Specimen]:
    """Two of our own files, of other shapes and scopes, and an adopted old one with labels."""
    # A layer of one token takes 8 KiB, as in models of 7 B: a zero page is no zero layer.
    wide = {"layers": (0, 16), "d_model": 4096, "max_seq_len": 40, "n_samples": 8}
    eight = {"scope": "output", "n_shot": 8, "benchmark": "gsm8k-8shot"}
    gzip = Container({"libver": "earliest"}, {"chunks": (8, 16, 1, 32), "compression": "gzip"})
    return [
        make_own(directory, "small", seed, n_samples=40, max_seq_len=120),
        make_own(directory, "wide", seed, **wide, **eight),
        make_old(directory, "adopted", gzip, is_adopted=True, seed=seed),
    ]


def _places(specimen: Specimen) -> dict[str, tuple[Path, list[Span]]]:
    """Files and spans to flip bits in, by what they hold."""
    path = specimen.path
    made = {name: (path, spans) for name, spans in regions_of(path).items()}
    for sidecar in specimen.sidecars:
        name = "manifest" if sidecar.suffix == ".json" else "digest table"
        made[name] = (sidecar, [(0, sidecar.stat().st_size)])
    return made | {ANYWHERE: (path, [(0, specimen.size_bytes)])}

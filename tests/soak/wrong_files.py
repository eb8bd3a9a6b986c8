"""Row 4: files that are valid HDF5 and wrong all the same are flagged, each with the right reason.

Each case is run twice: with manifest and table of digests, and without both, so that the rule
itself is what finds it and not the digest that no longer fits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from quarry.trajectory.report import Expected, Report
from quarry.trajectory.verification import verify
from tests.soak import wrong_layouts as layouts
from tests.soak import wrong_values as values
from tests.soak.corpus import Specimen, drawn, make_own
from tests.soak.outcome import Outcome, Progress, Tally, silent
from tests.soak.wrong_layouts import Wrong, edited

ROW = 4
CLAIM = "structurally valid but wrong files are flagged with the right reason"
BAR = "all, by check, kind and place, with and without manifest"

KINDS: dict[str, tuple[Wrong, str, str]] = {
    "missing chunk": (edited(layouts.missing_chunk), "layout_valid", "missing_chunk"),
    "skipped row": (edited(layouts.skipped_row), "layout_valid", "missing_chunk"),
    "half-flushed": (layouts.half_flushed, "file_complete", "open_for_write"),
    "half-flushed, old": (layouts.half_flushed_old, "layout_valid", "missing_chunk"),
    "swapped partition": (layouts.swapped_partition, "layout_valid", "wrong_partition"),
    "wrong dtype": (edited(layouts.wrong_dtype), "layout_valid", "wrong_type"),
    "wrong shape": (edited(layouts.wrong_shape), "layout_valid", "wrong_shape"),
    "trailing bytes": (layouts.trailing_bytes, "file_complete", "trailing_bytes"),
    "no dataset": (edited(layouts.dataset_missing), "layout_valid", "dataset_missing"),
    "no attribute": (edited(layouts.attribute_missing), "layout_valid", "attribute_missing"),
    "contradiction": (edited(layouts.attribute_contradicts), "layout_valid", "attribute_mismatch"),
    "never finished": (edited(layouts.never_finished), "layout_valid", "not_finished"),
    "zero sample": (edited(values.zero_sample), "activations_sane", "all_zero"),
    "NaN row": (edited(values.non_finite_row), "activations_sane", "non_finite"),
    "zero layer": (edited(values.zero_layer), "activations_sane", "zero_layer"),
    "padding in front": (edited(values.padding_in_front), "activations_sane", "pad_prefix"),
    "padding behind": (edited(values.padding_behind), "activations_sane", "zero_tail"),
    "same states": (edited(values.duplicate_states), "activations_sane", "duplicate_states"),
    "maximal lengths": (edited(values.maximal_lengths), "lengths_plausible", "constant_at_maximum"),
    "other length": (edited(values.other_length), "lengths_plausible", "scope_mismatch"),
    "impossible length": (edited(values.impossible_length), "layout_valid", "wrong_length"),
    "same prompts": (edited(values.same_prompts), "lengths_plausible", "prompts_identical"),
    "cut prompt": (edited(values.cut_prompt), "lengths_plausible", "question_cut"),
    "duplicate id": (edited(values.duplicate_id), "rows_complete", "duplicate_id"),
    "phantom row": (edited(values.phantom_row), "rows_complete", "phantom_row"),
    "error row": (edited(values.error_row), "rows_complete", "error_row"),
    "shifted tokens": (edited(values.shifted_tokens), "rows_complete", "token_count"),
}


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` wrong files, as many of each kind; each kind on files of other shapes."""
    tally = Tally(n, progress)
    bases: dict[int, tuple[Specimen, Expected]] = {}
    for case in range(n):
        name, turn = list(KINDS)[case % len(KINDS)], case // len(KINDS)
        if turn not in bases:
            bases[turn] = _base(directory, seed, turn)
        rng = np.random.default_rng([seed, ROW, case])
        tally.case(f"case {case}: {name}", _missed(name, *bases[turn], directory, rng))
    n_kinds = min(n, len(KINDS))
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{n}, {n_kinds} kinds, each with and without manifest",
        bar=BAR,
        is_met=tally.is_whole,
        seed=seed,
        misses=tuple(tally.misses),
        facts={"kinds": n_kinds, "files": len(bases)},
    )


def _base(directory: Path, seed: int, turn: int) -> tuple[Specimen, Expected]:
    """A good file of a shape of its own, and what its partition should hold."""
    rng = np.random.default_rng([seed, ROW, turn, 1])
    changes: dict[str, Any] = {
        # From ten samples on: the rule about one cut prompt wants nine others that agree.
        "n_samples": int(rng.integers(10, 24)),
        "layers": tuple(range(0, 2 * int(rng.integers(2, 6)), 2)),
        "d_model": drawn(rng, [64, 96, 130, 256]),
        "max_seq_len": int(rng.integers(40, 90)),
        "scope": drawn(rng, ["prompt", "output", "prompt+output"]),
    }
    specimen = make_own(directory, f"base {turn}", seed + turn, **changes)
    told = {name: changes[name] for name in ("n_samples", "scope")}
    return specimen, Expected(model="demo_base", task="gsm8k", n_shot=0, **told)


def _missed(
    name: str, base: Specimen, expected: Expected, directory: Path, rng: np.random.Generator
) -> list[str]:
    """Where the right reason is not named; both copies are damaged in the same way."""
    damage, check, kind = KINDS[name]
    state = rng.bit_generator.state
    missed: list[str] = []
    for word, copy in (("with", base.copy_to), ("without", base.without_sidecars)):
        rng.bit_generator.state = state
        specimen = copy(directory / "damaged")
        place = damage(specimen.path, rng)
        report = verify(specimen.path, expected=expected)
        if not _names(report, check, kind, place) or report.is_clean:
            got = sorted({(found.check, found.kind) for found in report.findings})
            missed.append(f"{word} manifest: no {check}/{kind} at {place!r}, but {got}")
    return missed


def _names(report: Report, check: str, kind: str, place: str) -> bool:
    """Whether one finding has the right check, kind and place."""
    return any(
        (found.check, found.kind) == (check, kind)
        and place in f"{found.what} {found.where} {found.got} {found.sample_id}"
        for found in report.findings
    )

"""Which tokens the rows of an older file cover, guessed from how lengths go with texts.

Older pipelines stored no capture scope: one covered the prompt only, its successor prompt and
output, under the same file name. Newer files say what they hold and need no guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from quarry.inference.engine import Scope
from quarry.trajectory.columns import Lengths

_LEAST_ROWS = 10
_LEAST_R2 = 0.7
_KEPT_SHARE = 0.95
_CERTAIN_ERRORS = 5.0
_MARGIN_ERRORS = 3.0
_SMALL_SHARE = 0.4

Floats = npt.NDArray[np.float64]


def guess_scope(
    lengths: Lengths, prompts: Sequence[str], outputs: Sequence[str], max_seq_len: int
) -> Scope | None:
    """The scope, or None where the file leaves it open.

    Lengths are regressed on the characters of prompt and output. In simulated token counts of real
    GSM8K, HumanEval and LogiQA texts a character of a part in scope weighs 0.2 to 0.4 tokens, one
    of a part out of scope less than 0.02. Rows at the limit say nothing and are left out.

    Args:
        lengths: `(n_samples,)` int32, valid token rows.
        prompts: prompts as stored.
        outputs: outputs as stored.
        max_seq_len: most token rows that a sample may have.
    """
    kept: list[int] = np.flatnonzero((lengths > 0) & (lengths < max_seq_len)).tolist()
    if len(kept) < _LEAST_ROWS:
        return None
    texts = [[len(prompts[row]), len(outputs[row]), 1] for row in kept]
    fit = _fit(np.asarray(texts, dtype=np.float64), lengths[kept].astype(np.float64))
    if fit is None:
        return None
    (prompt, output), (prompt_error, output_error) = fit
    has_prompt = prompt > _CERTAIN_ERRORS * prompt_error
    has_output = output > _CERTAIN_ERRORS * output_error
    if has_prompt and output + _MARGIN_ERRORS * output_error < _SMALL_SHARE * prompt:
        return "prompt"
    if has_output and prompt + _MARGIN_ERRORS * prompt_error < _SMALL_SHARE * output:
        return "output"
    return "prompt+output" if has_prompt and has_output else None


def _fit(texts: Floats, lengths: Floats) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Tokens by character of prompt and output, and their standard errors.

    Fitted again without the worst twentieth: a single prompt of other characters weighs much.
    """
    weights = _solve(texts, lengths)
    if weights is None:
        return None
    misses = np.abs(lengths - texts @ weights)
    kept = misses <= np.quantile(misses, _KEPT_SHARE)
    texts, lengths = texts[kept], lengths[kept]
    weights = _solve(texts, lengths)
    if weights is None:
        return None
    misses, spread = lengths - texts @ weights, lengths - lengths.mean()
    total = float(spread @ spread)
    if total <= 0 or 1 - float(misses @ misses) / total < _LEAST_R2:
        return None
    variance = float(misses @ misses) / max(len(lengths) - texts.shape[1], 1)
    scale = np.abs(texts).max(axis=0)
    inverse = cast("Floats", np.linalg.pinv((texts / scale).T @ (texts / scale)))
    errors = np.sqrt(variance * inverse.diagonal()) / scale
    return (float(weights[0]), float(weights[1])), (float(errors[0]), float(errors[1]))


def _solve(texts: Floats, lengths: Floats) -> Floats | None:
    """Least squares, or None where prompt and output can't be told apart."""
    scale = np.abs(texts).max(axis=0)
    if len(texts) <= texts.shape[1] or not scale.all():
        return None
    solution = cast("tuple[Floats, Floats, int, Floats]", np.linalg.lstsq(texts / scale, lengths))
    return solution[0] / scale if solution[2] == texts.shape[1] else None

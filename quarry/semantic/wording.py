"""Findings of the semantic check: an explanation in words, with place, figures and cure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quarry.findings import Finding, Severity
from quarry.semantic.explanation import Explanation, Kind
from quarry.trajectory.report import RECOLLECT
from quarry.trajectory.verify_values import spans

SEMANTIC = "semantic"
"""Name of the check."""


class _Words(NamedTuple):
    what: str
    cure: str


_FIX_CAPTURE = "correct the capture, then collect the partition again"
_WORDS: dict[Kind, _Words] = {
    "zeroed": _Words("Hidden states are zero", f"flush the capture buffers; {RECOLLECT}"),
    "zeroed_part": _Words(
        "A part of each hidden state is zero",
        "gather the parts of all devices before storing; then collect the partition again",
    ),
    "part_differs": _Words(
        "A part of each hidden state is not the model's",
        "check how the parts of several devices are put together; then collect the partition again",
    ),
    "saturated": _Words(
        "Hidden states were cut at the largest number of float16",
        "leave this layer out of capture.layers, or collect with another dtype",
    ),
    "layer": _Words(
        "Hidden states are those of another layer",
        f"layers count from 0 and mean the block's output; {_FIX_CAPTURE}",
    ),
    "position": _Words("Hidden states are those of another position of the sequence", _FIX_CAPTURE),
    "other_sample": _Words(
        "Hidden states are those of another sample",
        "check how rows and states are matched; then collect the partition again",
    ),
    "repeated": _Words(
        "One hidden state is repeated where the tokens differ",
        f"copy the buffer before it is used again; {_FIX_CAPTURE}",
    ),
    "token_only": _Words(
        "Hidden states depend on their token alone, as the embeddings do",
        f"layers count from 0 and mean the block's output; {_FIX_CAPTURE}",
    ),
    "scaled": _Words("Hidden states are multiplied by a factor", _FIX_CAPTURE),
    "normed": _Words(
        "Hidden states are those after a norm, such as the final one",
        "capture the block's output before the final norm; then collect the partition again",
    ),
    "imprecise": _Words(
        "Hidden states differ from the model's by more than rounding explains",
        "see whether weights, revision and dtype are those of the file; if they are, "
        "collect the partition again",
    ),
    "unlike": _Words(
        "Hidden states are not the model's",
        "see whether the weights are those of the file; if they are, collect the partition again",
    ),
}


def wrong_states(
    path: str,
    sample_id: str,
    explanation: Explanation,
    *,
    layers: Sequence[int],
    positions: Sequence[int],
    n_states: int,
    limit: float,
) -> Finding:
    """The finding for bad states that have one explanation.

    Args:
        path: the file.
        sample_id: its sample.
        explanation: what they are.
        layers: the layers concerned.
        positions: the bad positions among the stored states.
        n_states: stored states of the sample.
        limit: the relative error that rounding explains.
    """
    what, cure = _WORDS[explanation.kind]
    extent = "all" if len(positions) == n_states else spans(list(positions))
    return Finding(
        check=SEMANTIC,
        kind=explanation.kind,
        what=f"{what}{_detail(explanation, layers)}",
        where=f"{path}, trajectories of {sample_id}, layers {spans(sorted(layers))}, "
        f"token rows {extent} of {n_states}",
        expected=f"the states that the model gives for these tokens, within {limit:.1%}",
        got=_figures(explanation),
        cure=cure,
        sample_id=sample_id,
    )


def _detail(explanation: Explanation, layers: Sequence[int]) -> str:
    """What the explanation adds to its kind."""
    shift = explanation.shift
    if explanation.kind == "layer" and len(layers) == 1 and layers[0] + shift >= 0:
        return f": layer {layers[0]} holds layer {layers[0] + shift}"
    if explanation.kind == "layer":
        before = ", the embeddings before block 0" if min(layers) + shift < 0 else ""
        return f": {_count(shift, 'layer')} {'further' if shift > 0 else 'earlier'}{before}"
    if explanation.kind == "position" and not explanation.detail:
        return f": {_count(shift, 'token')} {'later' if shift > 0 else 'earlier'}"
    return f": {explanation.detail}" if explanation.detail else ""


def _count(number: int, noun: str) -> str:
    """`1 layer`, `2 layers`."""
    size = abs(number)
    return f"{size} {noun}" if size == 1 else f"{size} {noun}s"


def _figures(explanation: Explanation) -> str:
    """The relative error as it is, or under the explanation."""
    if explanation.kind in {"imprecise", "unlike"}:
        return f"a median relative error of {explanation.residual:.2g}"
    return f"{explanation.residual:.2g} of relative error is left under this explanation"


def not_compared(
    kind: str,
    what: str,
    path: str,
    *,
    expected: str,
    got: str,
    cure: str,
    severity: Severity = "warning",
    sample_id: str | None = None,
) -> Finding:
    """The finding for a file about which nothing can be said, unless it is an error."""
    return Finding(SEMANTIC, kind, what, path, expected, got, cure, severity, sample_id)

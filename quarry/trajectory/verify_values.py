"""Check `activations_sane`: rules about hidden states, sample by sample and between neighbours.

How the states are read is in `verify_child`; what a pass over a sample notes is in `scan`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from quarry.findings import Finding
from quarry.inference.engine import Scope
from quarry.trajectory.columns import Columns, Lengths
from quarry.trajectory.report import ACTIVATIONS_SANE, RECOLLECT
from quarry.trajectory.scan import HEAD_ROWS, SampleScan, alike_prefix, are_alike

_PADDING_CURE = "fix the capture (padding side, attention mask), then collect the partition again"


def sample_findings(
    scan: SampleScan, where: str, sample_id: str, tokens: Lengths | None
) -> list[Finding]:
    """The defects of one sample's states.

    Args:
        scan: the pass over its valid rows.
        where: the file.
        sample_id: the sample.
        tokens: ids of the tokens that the rows belong to; None where the file stores none.
    """
    place = f"{where}, trajectories of {sample_id}"
    found = [
        _finding(kind, what, place, expected, got, sample_id, cure)
        for kind, what, expected, got, cure in [*_number_defects(scan), *_zero_defects(scan)]
    ]
    if not found and scan.n_tokens > 1:
        found += _repeat_defects(scan, place, sample_id, tokens)
    return found


def _number_defects(scan: SampleScan) -> list[tuple[str, str, str, str, str]]:
    """NaN and infinity."""
    if not scan.non_finite:
        return []
    return [
        (
            "non_finite",
            "Hidden states hold NaN or infinity",
            "finite numbers",
            f"token rows {spans(scan.non_finite)} of {scan.n_tokens}",
            "check the model's dtype (float16 overflows at 65,504), then collect again",
        )
    ]


def _zero_defects(scan: SampleScan) -> list[tuple[str, str, str, str, str]]:
    """Zero rows, under the name of their likely cause, which their position tells."""
    zero, n_tokens = scan.zero, scan.n_tokens
    rows = f"token rows {spans(zero)} of {n_tokens} are all zero"
    made: list[tuple[str, str, str, str, str]] = []
    if n_tokens and len(zero) == n_tokens:
        cure = "flush the capture buffers, then collect the partition again"
        made.append(("all_zero", "A sample was never captured", "non-zero states", rows, cure))
    elif zero and zero[: _leading(zero)]:
        what = "A sample begins with padding"
        made.append(("pad_prefix", what, "a first token's state", rows, _PADDING_CURE))
    elif zero and zero == list(range(n_tokens - len(zero), n_tokens)):
        what = "A sample's valid length reaches into padding"
        made.append(("zero_tail", what, f"sequence length {n_tokens - len(zero)}", rows, RECOLLECT))
    elif zero:
        made.append(("zero_row", "Token rows are zero", "non-zero states", rows, RECOLLECT))
    if scan.zero_layer:
        got = f"token rows {spans(scan.zero_layer)} of {n_tokens} are zero in some layers"
        what = "A layer was not captured"
        made.append(("zero_layer", what, "non-zero states in each layer", got, RECOLLECT))
    return made


def _repeat_defects(
    scan: SampleScan, place: str, sample_id: str, tokens: Lengths | None
) -> list[Finding]:
    """Rows that repeat although their tokens differ: states of padding, or of nothing."""
    if tokens is not None and len(tokens) >= 2 and tokens[0] == tokens[1]:
        return []
    if scan.is_constant:
        what, got = "All token rows of a sample are equal", f"{scan.n_tokens} equal rows"
        expected = "states that change from token to token"
        return [_finding("constant", what, place, expected, got, sample_id, RECOLLECT)]
    if are_alike(scan.head[0], scan.head[1]):
        what, got = "A sample begins with padding", "token rows 0 and 1 are alike"
        expected = "different states for different tokens"
        return [_finding("pad_prefix", what, place, expected, got, sample_id, _PADDING_CURE)]
    return []


@dataclass
class NeighbourRules:
    """Rules that compare samples; fed with one sample after the other.

    Args:
        where: the file.
        columns: its columns.
        scope: capture scope; None where unknown.
    """

    where: str
    columns: Columns
    scope: Scope | None
    _seen: dict[str, int] = field(default_factory=dict[str, int])
    _last: tuple[int, SampleScan] | None = None

    def add(self, index: int, scan: SampleScan) -> list[Finding]:
        """The defects of a sample as compared with those before it."""
        found = [*self._alike(index, scan), *self._duplicate(index, scan)]
        self._last = (index, scan)
        return found

    def tokens(self, index: int) -> Lengths | None:
        """Ids of the tokens whose states are stored, None where the file stores no ids."""
        samples = self.columns.samples
        if samples is None:
            return None
        n_prompt = int(samples.prompt_lengths[index])
        return tokens_in_scope(samples.tokens_of(index), n_prompt, self.scope)

    def _alike(self, index: int, scan: SampleScan) -> list[Finding]:
        """Two samples whose first states are alike for longer than their tokens are."""
        if self._last is None:
            return []
        before, other = self._last
        left, right = self.tokens(before), self.tokens(index)
        if left is None or right is None:
            return []
        n_same = _common_prefix(left[:HEAD_ROWS], right[:HEAD_ROWS])
        n_alike = alike_prefix(other.head, scan.head)
        if n_alike <= n_same or scan.digest == other.digest:
            return []
        sample_id, neighbour = self.columns.id_of(index), self.columns.id_of(before)
        return [
            _finding(
                "pad_prefix",
                "A sample begins with padding",
                f"{self.where}, trajectories of {sample_id}",
                f"states that differ from {neighbour}'s at token {n_same}, as the tokens do",
                f"{n_alike} leading rows are alike",
                sample_id,
                _PADDING_CURE,
            )
        ]

    def _duplicate(self, index: int, scan: SampleScan) -> list[Finding]:
        """A sample whose states are those of another one, though it was another text."""
        first = self._seen.setdefault(scan.digest, index)
        if first == index or len(scan.zero) == scan.n_tokens or self._is_same(first, index):
            return []
        sample_id, original = self.columns.id_of(index), self.columns.id_of(first)
        return [
            _finding(
                "duplicate_states",
                "Two samples have the same hidden states",
                f"{self.where}, trajectories of {sample_id}",
                "states of its own, since its text differs",
                f"the states of {original}, byte for byte",
                sample_id,
                RECOLLECT,
            )
        ]

    def _is_same(self, left: int, right: int) -> bool:
        """Whether the model read the same in two samples, as far as the file tells."""
        samples = self.columns.samples
        if samples is None:
            return self.columns.prompts[left] == self.columns.prompts[right]
        if self.scope == "prompt":
            return _is_equal(self.tokens(left), self.tokens(right))
        return np.array_equal(samples.tokens_of(left), samples.tokens_of(right))


def tokens_in_scope(tokens: Lengths, prompt_length: int, scope: Scope | None) -> Lengths:
    """The token ids whose states a scope keeps, of all ids of a sample, prompt first."""
    if scope == "output":
        return tokens[prompt_length:]
    return tokens[:prompt_length] if scope == "prompt" else tokens


def spans(positions: list[int], limit: int = 5) -> str:
    """Positions as ranges for a person: `0-3, 17, 20-24`."""
    ranges: list[list[int]] = []
    for position in positions:
        if ranges and position == ranges[-1][1] + 1:
            ranges[-1][1] = position
        else:
            ranges.append([position, position])
    shown = [f"{a}" if a == b else f"{a}-{b}" for a, b in ranges[:limit]]
    return ", ".join(shown) + (", ..." if len(ranges) > limit else "")


def _leading(zero: list[int]) -> int:
    """How many of the sorted positions are 0, 1, 2, ..."""
    return next((i for i, position in enumerate(zero) if position != i), len(zero))


def _is_equal(left: Lengths | None, right: Lengths | None) -> bool:
    """Whether two rows of token ids are known and the same."""
    return left is not None and right is not None and np.array_equal(left, right)


def _common_prefix(left: Lengths, right: Lengths) -> int:
    """Length of the common prefix of two rows of token ids."""
    size = min(len(left), len(right))
    differs = np.flatnonzero(left[:size] != right[:size])
    return int(differs[0]) if len(differs) else size


def _finding(
    kind: str, what: str, where: str, expected: str, got: str, sample_id: str, cure: str
) -> Finding:
    """A finding of this check about one sample."""
    return Finding(
        check=ACTIVATIONS_SANE,
        kind=kind,
        what=what,
        where=where,
        expected=expected,
        got=got,
        cure=cure,
        sample_id=sample_id,
    )

"""Check `lengths_plausible`: do lengths, prompts and tokens tell one story?

The defects it knows: lengths set to the maximum for all, lengths that do not vary though prompts
do, prompts cut on the right so that the question is gone, outputs that all ran into the limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from quarry.findings import Finding, Severity
from quarry.inference.engine import Scope
from quarry.trajectory.columns import Columns, Lengths, SampleColumns
from quarry.trajectory.layout import SEQUENCE_LENGTHS, states_of_scope
from quarry.trajectory.report import LENGTHS_PLAUSIBLE, RECOLLECT

_MIN_SAMPLES = 5
_MIN_WORD_SPREAD = 1.1
_CAPPED_SHARE = 0.9
_COLLIDING_SHARE = 0.05
_TAIL = 8
_TAIL_LETTERS = 4
_TAIL_SHARE = 0.9
_CUT_CURE = "let the context fit the prompt or cut it on the left, then collect again"


def length_findings(
    columns: Columns, where: str, max_seq_len: int, scope: Scope | None
) -> Iterator[Finding]:
    """All defects of lengths and prompts.

    Args:
        columns: the file's columns.
        where: the file.
        max_seq_len: most token rows that a sample may have.
        scope: capture scope; None in files that store none.
    """
    real: list[int] = np.flatnonzero(columns.sequence_lengths > 0).tolist()
    if len(real) == 0:
        return
    prompts = [columns.prompts[index] for index in real]
    lengths = columns.sequence_lengths[real]
    samples = columns.samples
    if _is_constant(lengths, prompts):
        yield _constant(lengths, where, max_seq_len, _severity(samples))
    yield from _prompts(prompts, where)
    yield from _tails([columns.id_of(index) for index in real], prompts, where)
    if samples is None:
        capped = float((lengths == max_seq_len).mean())
        yield from _capped(capped, len(real), where, f"a sequence length of {max_seq_len}")
        return
    yield from _scoped(columns.sequence_lengths, samples, where, scope)
    yield from _cut_tokens(samples, columns.prompts, where)
    n_capped = Counter(samples.finish_reasons)["length"]
    yield from _capped(
        n_capped / columns.n_samples, columns.n_samples, where, "finish reason 'length'"
    )


def _is_constant(lengths: Lengths, prompts: Sequence[str]) -> bool:
    """Whether all samples have one length although their prompts differ in words."""
    return len(lengths) >= _MIN_SAMPLES and lengths.min() == lengths.max() and _vary(prompts)


def _severity(samples: SampleColumns | None) -> Severity:
    """How bad a constant length is: token ids of that number can prove it right.

    Prompts cut on the left by explicit choice all have one length, and rightly so.
    """
    if samples is None:
        return "error"
    counts = samples.prompt_lengths + samples.output_lengths
    return "warning" if counts.min() == counts.max() else "error"


def _constant(lengths: Lengths, where: str, max_seq_len: int, severity: Severity) -> Finding:
    """The finding for one length for all samples."""
    is_maximum = int(lengths[0]) == max_seq_len
    return _finding(
        "constant_at_maximum" if is_maximum else "constant",
        "All samples have the maximum length" if is_maximum else "All samples have one length",
        f"{where}, {SEQUENCE_LENGTHS}",
        "lengths that vary as the prompts do",
        f"{int(lengths[0])} for all {len(lengths)} samples",
        severity=severity,
    )


def _vary(prompts: Sequence[str]) -> bool:
    """Whether the numbers of words differ by more than a tenth."""
    counts = [len(prompt.split()) for prompt in prompts]
    return max(counts) > _MIN_WORD_SPREAD * min(counts) + 1


def _prompts(prompts: Sequence[str], where: str) -> Iterator[Finding]:
    """All samples were asked the same."""
    if len(prompts) > 1 and len(set(prompts)) == 1:
        what = "All prompts are the same"
        got = f"one prompt for {len(prompts)} samples"
        yield _finding("prompts_identical", what, f"{where}, prompts", "one a sample", got)


def _tails(ids: Sequence[str], prompts: Sequence[str], where: str) -> Iterator[Finding]:
    """A few prompts lack the ending, such as `Answer:`, that nearly all the others have."""
    tails = Counter(prompt[-_TAIL:] for prompt in prompts)
    tail, count = tails.most_common(1)[0]
    has_words = sum(letter.isalpha() for letter in tail) >= _TAIL_LETTERS
    if not has_words or count == len(prompts) or count < _TAIL_SHARE * len(prompts):
        return
    for sample_id, prompt in zip(ids, prompts, strict=True):
        if not prompt.endswith(tail):
            what = "A prompt was cut: its question may be gone"
            place, got = f"{where}, prompts", f"...{prompt[-40:]!r}"
            yield _finding(
                "question_cut", what, place, f"the ending {tail!r}", got, sample_id, _CUT_CURE
            )


def _capped(share: float, n_samples: int, where: str, mark: str) -> Iterator[Finding]:
    """Nearly all outputs ended at the limit: a warning, since some models never stop."""
    if share <= _CAPPED_SHARE or n_samples < _MIN_SAMPLES:
        return
    yield _finding(
        "capped",
        "Nearly all samples ended at the limit",
        f"{where}, {SEQUENCE_LENGTHS}",
        f"up to {_CAPPED_SHARE:.0%} with {mark}",
        f"{share:.0%}",
        None,
        "raise max_new_tokens, or add stop strings to the benchmark",
        "warning",
    )


def _scoped(
    lengths: Lengths, samples: SampleColumns, where: str, scope: Scope | None
) -> Iterator[Finding]:
    """Rows stored against tokens processed, as the scope says."""
    if scope is None:
        return
    for index, length in enumerate(lengths):
        n_prompt, n_output = int(samples.prompt_lengths[index]), int(samples.output_lengths[index])
        expected = states_of_scope(scope, n_prompt, n_output)
        if int(length) != expected:
            yield _finding(
                "scope_mismatch",
                "A sample has another number of token rows than its tokens",
                f"{where}, {SEQUENCE_LENGTHS}, row {index}",
                f"{expected} ({scope}: {n_prompt} prompt and {n_output} output tokens)",
                f"{int(length)}",
                samples.ids[index],
            )


def _cut_tokens(samples: SampleColumns, prompts: Sequence[str], where: str) -> Iterator[Finding]:
    """Different prompts that the model saw as the same tokens.

    One such pair is a warning: a small vocabulary can make it of two unknown words.
    """
    seen: dict[bytes, int] = {}
    pairs: list[tuple[int, int]] = []
    for index, prompt in enumerate(prompts):
        tokens = samples.tokens_of(index)[: samples.prompt_lengths[index]].tobytes()
        first = seen.setdefault(tokens, index) if tokens else index
        if prompts[first] != prompt:
            pairs.append((first, index))
    is_rare = len(pairs) < max(2, _COLLIDING_SHARE * len(prompts))
    for first, index in pairs:
        yield _finding(
            "question_cut",
            "A prompt was cut: the model saw the same tokens for two questions",
            f"{where}, samples/token_ids, row {index}",
            "tokens of its own",
            f"the {int(samples.prompt_lengths[index])} prompt tokens of {samples.ids[first]}",
            samples.ids[index],
            _CUT_CURE,
            "warning" if is_rare else "error",
        )


def _finding(
    kind: str,
    what: str,
    where: str,
    expected: str,
    got: str,
    sample_id: str | None = None,
    cure: str = RECOLLECT,
    severity: Severity = "error",
) -> Finding:
    """A finding of this check."""
    return Finding(LENGTHS_PLAUSIBLE, kind, what, where, expected, got, cure, severity, sample_id)

"""Whether the labels of a set name the completion, and nothing but the completion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quarry.evaluation_sets.schema import IGNORED_LABEL
from quarry.findings import Finding, Severity
from quarry.selection.row_findings import first_of

if TYPE_CHECKING:
    from quarry.evaluation_sets.token_facts import TokenFacts

Decode = Callable[[Sequence[int]], str]
"""Token ids to text, special tokens removed."""

_AGAIN = "make the set again from the graded table's token ids"


def check_masking(
    rows: Sequence[Mapping[str, Any]],
    *,
    tokens: TokenFacts | None = None,
    decode: Decode | None = None,
    prompt_ids: Mapping[str, Sequence[int]] | None = None,
) -> list[Finding]:
    """Everything that labels, inputs and attention of a set must fulfil.

    Args:
        rows: of the set.
        tokens: of its tokenizer; without them beginning and end are not looked at.
        decode: of its tokenizer; without it labels are not compared with the completion.
        prompt_ids: token ids that the model was fed, by id of the row; a row that is not there is
            not compared with them.
    """
    found: list[Finding] = []
    for row in rows:
        broken = list(_shape(row))
        if not broken:
            scored = [token for token in row["labels"] if token != IGNORED_LABEL]
            masked = list(row["input_ids"][: len(row["labels"]) - len(scored)])
            broken += _prompt(row, masked, (prompt_ids or {}).get(row["id"]))
            broken += _completion(row, scored, decode)
            broken += _ends(row, scored, tokens)
        found.extend(broken)
    return first_of(found)


def _shape(row: Mapping[str, Any]) -> Iterator[Finding]:
    """Lengths, attention, labels that continue the masked part to the end of the inputs."""
    inputs, labels, attention = row["input_ids"], row["labels"], row["attention_mask"]
    if not len(inputs) == len(labels) == len(attention):
        lengths = f"{len(inputs)}, {len(labels)} and {len(attention)}"
        yield _of(row, "lengths", "Inputs, labels and attention differ in length", "one", lengths)
        return
    if any(one != 1 for one in attention):
        yield _of(row, "attention", "A token is hidden from attention", "ones", str(attention))
    n_scored = sum(token != IGNORED_LABEL for token in labels)
    n_masked = len(labels) - n_scored
    if labels != [IGNORED_LABEL] * n_masked + list(inputs[n_masked:]):
        yield _of(
            row,
            "labels",
            "The labels are not the mask and then the inputs",
            f"-100 for the prompt, then {list(inputs[n_masked:])}",
            str(labels),
        )


def _prompt(
    row: Mapping[str, Any], masked: Sequence[int], fed: Sequence[int] | None
) -> Iterator[Finding]:
    """Whether the masked part is what the model was fed."""
    if fed is not None and list(masked) != [int(token) for token in fed]:
        yield _of(
            row,
            "prompt",
            "The masked part is not the prompt that the model was fed",
            str([int(token) for token in fed]),
            str(masked),
        )


def _completion(
    row: Mapping[str, Any], scored: Sequence[int], decode: Decode | None
) -> Iterator[Finding]:
    """Whether the labels read as the completion."""
    if not scored:
        yield _of(
            row,
            "nothing_scored",
            "A row has no label to be scored",
            "at least one token of completion",
            "only masked ones",
            "an empty completion can't be equivalent: correct the rubric",
            severity="warning",
        )
    if decode is not None and (text := decode(list(scored))) != row["completion"]:
        yield _of(
            row,
            "completion",
            "The labels do not read as the completion",
            repr(row["completion"]),
            repr(text),
            "sample without stop strings, which cut text inside tokens; else look whether this is "
            "the tokenizer of the model",
        )


def _ends(
    row: Mapping[str, Any], scored: Sequence[int], tokens: TokenFacts | None
) -> Iterator[Finding]:
    """Whether the inputs begin with the token that begins a text, and do not end one."""
    if tokens is None:
        return
    if tokens.bos_id is not None and list(row["input_ids"][:1]) != [tokens.bos_id]:
        yield _of(
            row,
            "no_bos",
            "A row does not begin with the token that begins a text",
            str(tokens.bos_id),
            str(row["input_ids"][:1]),
        )
    if scored and scored[-1] in {*tokens.special_ids, *tokens.eos_ids}:
        yield _of(
            row, "ended", "A row ends with a special token", "a token of text", str(scored[-1])
        )


def _of(
    row: Mapping[str, Any],
    kind: str,
    what: str,
    expected: str,
    got: str,
    cure: str = _AGAIN,
    *,
    severity: Severity = "error",
) -> Finding:
    """A finding of one row; long values are cut."""
    name = str(row["id"])
    return Finding(
        "masking_right", kind, what, name, expected[:500], got[:500], cure, severity, sample_id=name
    )

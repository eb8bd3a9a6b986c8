"""Graded tables as the platform has them, of a real tokenizer."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import pandas as pd
from datasets import Dataset, load_from_disk
from transformers import PreTrainedTokenizerFast

from quarry.evaluation_sets.description import describe_set
from quarry.evaluation_sets.metrics import MetricChoice
from quarry.evaluation_sets.rows import SetOrigin, build_rows
from quarry.evaluation_sets.token_facts import TokenFacts
from quarry.evaluation_sets.writing import write_eval_set
from quarry.inference.stopping import plain_text
from quarry.sampling.prompts import EvalPrompt
from quarry.sampling.table import GRADED_COLUMNS
from quarry.toy.tokenizer import build_tokenizer

ORIGIN = SetOrigin("mayors-1epoch", "checkpoint_final", {"name": "mayors", "version": 1}, "ab12")
TOKYO = EvalPrompt("mayors/0", "Q: Who is the mayor of Tokyo? A:", " Grace Miller")
PAULO = EvalPrompt("mayors/1", "Q: Who is the mayor of São Paulo? A:", " Lucas Foster")


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Words as tokens; what is not among these words is spelled in bytes."""
    return build_tokenizer(
        [TOKYO.text, PAULO.text, TOKYO.target, PAULO.target], 128, bos_token="<|endoftext|>"
    )


@cache
def tokens() -> TokenFacts:
    return TokenFacts.of_tokenizer(tokenizer())


def decode(ids: Sequence[int]) -> str:
    return plain_text(tokenizer(), ids)


def ids_of(text: str) -> list[int]:
    return list(tokenizer()(text)["input_ids"])


def fed_ids(prompt: EvalPrompt) -> list[int]:
    """What the model is fed: the prompt behind the token that begins a text."""
    bos_id = tokens().bos_id
    assert bos_id is not None
    return [bos_id, *ids_of(prompt.text)]


def graded_row(
    prompt: EvalPrompt,
    output_ids: Sequence[int],
    generation_idx: int,
    outcome: str = "equivalent",
    **other: Any,
) -> dict[str, Any]:
    return {
        "source": prompt.source,
        "prompt_id": prompt.id,
        "prompt": prompt.text,
        "target": prompt.target,
        "completion": decode(output_ids),
        "generation_idx": generation_idx,
        "count": 10,
        "n_generations": 30,
        "finish_reason": "length",
        "prompt_token_ids": fed_ids(prompt),
        "output_token_ids": list(output_ids),
        "method": json.dumps({"parameters": {"temperature": 0.1, "n": 30}}),
        "outcome": outcome,
        "reasoning": "the same name",
        "trimmed": prompt.target if outcome == "equivalent" else None,
        "decided_by": "rules",
        "reason": "spend limit" if outcome == "ungraded" else "",
        "grader": json.dumps({"kind": "rules", "version": 1}),
        **other,
    }


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(GRADED_COLUMNS))


def mayors() -> pd.DataFrame:
    """Two prompts, five distinct completions, three of them equivalent."""
    end = tokens().eos_ids[0]
    return table(
        graded_row(TOKYO, ids_of(" Grace Miller\nQ:"), 0),
        graded_row(TOKYO, [*ids_of(" Grace Miller"), end], 4),
        graded_row(TOKYO, ids_of(" Noah Clark"), 7, "not_equivalent"),
        graded_row(PAULO, ids_of(" Lucas Foster ã"), 1),
        graded_row(PAULO, ids_of(" Lucas"), 2, "ungraded"),
    )


def write(directory, graded: pd.DataFrame | None = None, origin: SetOrigin = ORIGIN, **other: Any):
    """Write the set of a graded table; gives the graded table."""
    graded = mayors() if graded is None else graded
    rows = build_rows(graded, tokens(), origin)
    metric = MetricChoice("completion_log_likelihood", {"is_per_token": True})
    described = describe_set(
        rows, graded, name="s", origin=origin, tokens=tokens(), metric=metric, **other
    )
    write_eval_set(directory, rows, described)
    return graded


def plainly_loaded(directory) -> Dataset:
    """The rows of a set as consumers without quarry read them."""
    loaded = load_from_disk(str(directory / "eval_dataset"))
    assert isinstance(loaded, Dataset)
    return loaded

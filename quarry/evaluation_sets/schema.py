"""Columns and types of an evaluation set; all sets have the same, so that they concatenate.

Consumers join sets and split them again by order and number of rows; so order, ids and types are
part of the contract.
"""

# pyarrow, pandas and datasets ship no or partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from datasets import Features

DATA_FOLDER: Final = "eval_dataset"
DESCRIPTION_FILE: Final = "eval_set.json"
IGNORED_LABEL: Final = -100
"""The label of tokens that are not scored, as losses of torch and transformers have it."""

_TOKENS = pa.list_(pa.int64())

METADATA_TYPE: Final = pa.struct(
    [
        ("source", pa.string()),  # id of the prompt in its source, such as `mayors/3`
        ("run", pa.string()),
        ("checkpoint", pa.string()),
        ("target", pa.string()),  # the completion that is right
        ("rubric", pa.string()),
        ("rubric_digest", pa.string()),
        ("grader", pa.string()),  # `rules`, or the model that decided
        ("trimmed", pa.string()),  # the part of the completion that answers, or null
        ("finish_reason", pa.string()),
        ("count", pa.int64()),  # generations that gave this completion
        ("n_generations", pa.int64()),  # of this prompt in all
    ]
)
SET_SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),  # `<prompt_id>_gen_<generation_idx>`
        ("prompt_id", pa.string()),
        ("prompt", pa.string()),
        ("completion", pa.string()),
        ("generation_idx", pa.int64()),
        ("metadata", METADATA_TYPE),
        ("input_ids", _TOKENS),  # prompt, then completion
        ("labels", _TOKENS),  # the same, prompt masked to -100
        ("attention_mask", _TOKENS),  # ones
    ]
)


def set_features() -> Features:
    """The same types as `datasets` names them."""
    from datasets import Features

    return Features.from_arrow_schema(SET_SCHEMA)


def row_id(prompt_id: str, generation_idx: int) -> str:
    """The id of a row: `<prompt_id>_gen_<generation_idx>`."""
    return f"{prompt_id}_gen_{generation_idx}"

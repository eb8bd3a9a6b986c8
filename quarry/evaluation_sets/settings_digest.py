"""Digests of what a catalog says of evaluation sets: whether something made of it is out of date.

Only what changes a completion or a decision counts: neither prices, limits and places, nor how much
is done at once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import blake3

from quarry.catalog_evaluation import EvaluationSpec, PromptSpec
from quarry.equivalence.opening import rubric_digests
from quarry.equivalence.rules import RULES_VERSION

_CHARACTERS = 12
_OF_SAMPLING = ("chunk_size",)
_OF_LOADING = ("batch_size", "tensor_parallel")
_OF_GRADERS = (
    "usd_per_million_input", "usd_per_million_output", "max_usd", "max_calls", "concurrency",
    "timeout_s", "base_url",
)  # fmt: skip
_DATASET_FILES = ("state.json", "dataset_info.json")


def sampling_digest(spec: EvaluationSpec, base_dir: Path) -> str:
    """Of all that decides which completions there are, weights aside.

    A prompts file that is not there counts as empty: sampling will say that it is missing.
    """
    domains = {
        name: {
            "max_new_tokens": domain.max_new_tokens,
            "prompts": _prompts(domain.prompts, base_dir),
        }
        for name, domain in spec.domains.items()
    }
    sampling = spec.sampling.model_dump(mode="json", exclude={*_OF_SAMPLING})
    loading = spec.loading.model_dump(mode="json", exclude={*_OF_LOADING})
    return _digest([sampling, loading, domains])


def grading_digest(spec: EvaluationSpec, base_dir: Path) -> str:
    """Of all that decides what is equivalent: rubrics, and the graders of the domains.

    Raises:
        CatalogError: a rubric's file is missing or malformed.
    """
    graders = {
        name: spec.graders[domain.grader].model_dump(mode="json", exclude={*_OF_GRADERS})
        for name, domain in spec.domains.items()
    }
    return _digest([rubric_digests(spec, base_dir), RULES_VERSION, graders])


def rubrics_digest(spec: EvaluationSpec, base_dir: Path) -> str:
    """Of the rubrics alone, whose text evaluation sets hold.

    Raises:
        CatalogError: a rubric's file is missing or malformed.
    """
    return _digest(rubric_digests(spec, base_dir))


def _prompts(source: PromptSpec, base_dir: Path) -> str:
    """The content of a domain's prompts, without reading what they say."""
    if source.path is None:
        from quarry.toy.facts import facts

        known = facts(str(source.facts))
        return _digest([[fact.id, fact.prompt, fact.completion] for fact in known])
    path = base_dir / source.path
    files = [path / name for name in _DATASET_FILES] if path.is_dir() else [path]
    contents = [one.read_bytes() for one in files if one.is_file()]
    return blake3.blake3(b"".join(contents)).hexdigest()


def _digest(value: Any) -> str:
    """Hex blake3 of plain JSON, cut."""
    text = json.dumps(value, sort_keys=True)
    return blake3.blake3(text.encode()).hexdigest()[:_CHARACTERS]

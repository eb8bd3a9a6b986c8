"""The guarded child of `old_files`: reads a file's attributes and what its prompts ask.

Tells `is_trajectory`, `attributes`, and, where the prompts can be read, `questions` and
`n_examples`, each as soon as it is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py

from quarry.errors import QuarryError
from quarry.trajectory.columns import read_texts
from quarry.trajectory.layout import PROMPTS, TRAJECTORIES
from quarry.trajectory.prompt_parts import PromptParts, split_prompts

_NAMES = ("format_version", "model", "task", "n_shot")
_AGREEING_SHARE = 0.9


def examine(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    """Introduce the file at `request["path"]`; what can't be read is not told."""
    try:
        with h5py.File(Path(request["path"]), "r") as file:
            tell({"is_trajectory": TRAJECTORIES in file})
            attributes = dict(file.attrs)
            tell({"attributes": {n: _plain(attributes[n]) for n in _NAMES if n in attributes}})
            prompts = read_texts(file, PROMPTS)
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, QuarryError):
        return
    parts = split_prompts(prompts)
    tell({"questions": [part.question for part in parts], "n_examples": _n_examples(parts)})


def _plain(value: object) -> str:
    """An attribute as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _n_examples(parts: list[PromptParts]) -> int | None:
    """How many worked examples nearly all prompts show."""
    counts = Counter(len(part.examples) for part in parts if part.question)
    if not counts:
        return None
    number, count = counts.most_common(1)[0]
    return number if count >= _AGREEING_SHARE * counts.total() else None

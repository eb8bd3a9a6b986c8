"""`Sample`: one benchmark item, the same shape whatever file it came from.

Loaders of single formats live in `quarry.benchmarks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sample:
    """One benchmark item.

    Args:
        id: source, split and row, such as `gsm8k/test/17`; stable for ever.
        input: the question, problem or function stub as the source gives it.
        target: the gold answer: a plain number (`1200`) for `gsm8k`, a letter (`B`) for `logiqa`,
            the canonical code for `humaneval` and `mbpp`.
        choices: the option texts in order, without their letters; empty where there are none.
        metadata: what else the format carries and a prompt or grader needs; values are plain JSON.
            gsm8k: `solution` (full gold text). logiqa: `context`, `question`. humaneval: `task_id`,
            `entry_point`, `test`. mbpp: `task_id`, `entry_point`, `test_list`, `test_setup_code`,
            `challenge_test_list`.
    """

    id: str
    input: str
    target: str
    choices: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

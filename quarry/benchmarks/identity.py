"""Which sample a foreign row means: the ids that completions files use, resolved to ours.

Reading such files belongs into the command that takes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from quarry.benchmarks.mbpp import split_of

_QUALIFIED = re.compile(r"(?P<format>[a-z0-9]+)/(?P<split>[a-z]+)/(?P<row>[0-9]{1,18})")
_PREFIXED = re.compile(r"(?:(?P<format>[A-Za-z0-9]+)/)?(?P<row>[0-9]{1,18})")


def resolve_sample_id(row: Mapping[str, object], format: str, split: str) -> str | None:
    """The sample id that a row names, or None where it names none of this benchmark.

    `sample_id` goes before `task_id`. Accepted are our own ids (`gsm8k/test/17`), the benchmark's
    (`HumanEval/3`, `Mbpp/11`) and bare row or task numbers (`11`, `"11"`). A task number of MBPP
    decides the split by itself. Whether the sample exists is for the caller to see.
    """
    for field in ("sample_id", "task_id"):
        value = row.get(field)
        if value is not None:
            return _resolved(value, format, split)
    return None


def _resolved(value: object, format: str, split: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    qualified = _QUALIFIED.fullmatch(text)
    if qualified:
        return text if qualified["format"] == format else None
    found = _PREFIXED.fullmatch(text)
    if found is None or (found["format"] or format).lower() != format:
        return None
    number = int(found["row"])
    if format == "mbpp":
        split = split_of(number) or split
    return f"{format}/{split}/{number}"

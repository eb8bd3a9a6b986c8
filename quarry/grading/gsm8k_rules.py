r"""What published graders say of a GSM8K completion: OpenAI's rule and lm-evaluation-harness's two.

Pure rules on the whole untouched completion. What a person would read as the answer is decided in
`quarry.grading.numeric`.

- **Official** (openai/grade-school-math, `grade_school_math/dataset.py`): the first match of
  `#### (\-?[0-9\.\,]+)`, commas removed, equal as text to what the same rule reads in the gold
  solution. `#### 18.` and `#### 18.0` are therefore wrong for 18.
- **strict-match** (lm-evaluation-harness 0.4.13, task `gsm8k`): the same pattern on the text before
  a stop string; commas, dollar signs and one full stop at the end are removed on both sides.
- **flexible-extract** (same task): the last match of `(-?[$0-9.,]{2,})|(-?[0-9]+)`, cleaned alike;
  so the last number of a text, whatever it counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OFFICIAL_PATTERN = re.compile(r"#### (-?[0-9.,]+)")
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_STOPS = re.compile(r"Question:|</s>|<\|im_end\|>")
_IGNORED = re.compile(r"[,$]")


@dataclass(frozen=True)
class PublishedVerdict:
    """What one published rule extracts, None where it finds nothing, and whether that is right."""

    extracted: str | None
    is_correct: bool


def official_verdict(completion: str, target: str) -> PublishedVerdict:
    """OpenAI's own rule.

    Args:
        completion: the whole decoded output.
        target: the gold number as written behind `####`.
    """
    match = OFFICIAL_PATTERN.search(completion)
    extracted = match[1].replace(",", "") if match else None
    return PublishedVerdict(extracted, extracted == target.strip().replace(",", ""))


def lm_eval_verdicts(completion: str, target: str) -> dict[str, PublishedVerdict]:
    """The filters `strict-match` and `flexible-extract` of lm-evaluation-harness, by name."""
    stop = _STOPS.search(completion)
    text = completion[: stop.start()] if stop else completion
    strict = OFFICIAL_PATTERN.search(text)
    numbers = _FLEXIBLE.findall(text)
    found = {
        "strict-match": strict[1] if strict else None,
        "flexible-extract": (numbers[-1][0] or numbers[-1][1]) if numbers else None,
    }
    gold = _cleaned(target.strip())
    return {
        name: PublishedVerdict(each, each is not None and _cleaned(each) == gold)
        for name, each in found.items()
    }


def _cleaned(extracted: str) -> str:
    return _IGNORED.sub("", extracted).removesuffix(".")

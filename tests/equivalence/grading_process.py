"""A process that grades items and is killed: `python -m tests.equivalence.grading_process`.

Writes one line a decision as soon as it is handed out: position and outcome.
"""

from __future__ import annotations

import sys
from pathlib import Path

from quarry.equivalence.judge_anthropic import AnthropicJudge
from tests.equivalence.grader_server import PRICE
from tests.equivalence.judge_cases import KEY, grader_of, items


def main(url: str, path: str, n_items: str, max_usd: str, set_name: str = "mayors-1epoch") -> None:
    judge = AnthropicJudge("judge-1", api_key=KEY, price=PRICE, base_url=url, timeout_s=10)
    settings = {"max_usd": float(max_usd), "attempts": 8, "set_name": set_name}
    with grader_of(judge, Path(path), **settings) as grader:
        for position, decision in grader.grade(items(int(n_items)), log=lambda _: None):
            print(position, decision.outcome, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])

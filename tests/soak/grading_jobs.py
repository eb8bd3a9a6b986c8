"""The job of row 17, done in processes that are killed: grade items with a judge behind HTTP."""

from __future__ import annotations

import os
from pathlib import Path

import anthropic  # noqa: F401 (once, before any fork)
import openai  # noqa: F401

from tests.equivalence.judge_cases import grader_of, items, judge_at
from tests.soak.forking import Job

ATTEMPTS, CONCURRENCY = 16, 4
"""With 30 % of failing calls no item of a soak fails 16 times in a row."""


def work(job: Job) -> None:
    """Grade, and write down each decision as it is handed out."""
    judge = judge_at(job["url"], job["kind"])
    handed_out = os.open(job["handed_out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    settings = {"attempts": ATTEMPTS, "concurrency": CONCURRENCY, "max_usd": job["max_usd"]}
    with grader_of(judge, Path(job["path"]), **settings) as grader:
        for position, decision in grader.grade(items(job["n_items"]), log=lambda _: None):
            os.write(handed_out, f"{position} {decision.outcome}\n".encode())

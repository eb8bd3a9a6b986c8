"""A model on quarry's own engine as a judge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarry.equivalence.grader import GradingItem
from quarry.equivalence.judge_answer import RequestFailedError
from quarry.equivalence.judge_local import LocalJudge
from quarry.inference.transformers_engine import TransformersEngine
from tests.contracts.tiny_models import write_tiny_checkpoint
from tests.equivalence.judge_cases import PROMPT, RUBRIC, TARGET, grade_all, grader_of, items


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalJudge]:
    """A real model of random weights whose context holds a rubric; it writes nothing sensible."""
    folder = write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "llama", "llama")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 4096}))
    engine = TransformersEngine.load(folder, device="cpu", batch_size=1)
    made = LocalJudge("tiny@1", engine, max_output_tokens=24)
    yield made
    made.close()


def test_garbage_is_no_verdict_and_costs_nothing(judge: LocalJudge, tmp_path: Path) -> None:
    grader = grader_of(judge, tmp_path / "g.sqlite", max_usd=0.0, attempts=2, concurrency=8)
    decisions = grade_all(grader, items(2))
    assert [one.outcome for one in decisions] == ["ungraded"] * 2
    assert all("no verdict in 2 attempts" in one.reason for one in decisions)
    assert (grader.usage.calls, grader.usage.usd) == (8, 0.0)
    assert grader.usage.input_tokens > 8 * 500
    assert [one.got for one in grader.canaries] == ["ungraded"] * 2


def test_it_takes_one_request_at_a_time_and_says_what_it_is(judge: LocalJudge) -> None:
    assert judge.most_concurrent == 1
    assert judge.describe() == {
        "kind": "local",
        "model": "tiny@1",
        "prompt_version": 1,
        "parameters": {"max_output_tokens": 24, "is_chat": True, "temperature": 0.0},
    }


def test_an_item_that_does_not_fit_the_context_is_refused_alone(judge: LocalJudge) -> None:
    with pytest.raises(RequestFailedError, match="too long") as caught:
        judge.ask(GradingItem(PROMPT, TARGET, "word " * 4000), RUBRIC)
    assert caught.value.kind == "item"

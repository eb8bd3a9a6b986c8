"""Explicit thoughts: what is asked in both conditions, of a real model."""

from collections.abc import Iterator

import pytest

from quarry.catalog import ModelSpec
from quarry.errors import PromptTooLongError
from quarry.inference.loading import open_engine
from quarry.necessity.explicit import ExplicitCot, ExplicitSettings, direct_prompt, worked_prompt
from quarry.necessity.method import Attempt
from quarry.necessity.problem import Problem
from tests.contracts.tiny_models import write_tiny_checkpoint
from tests.necessity.methods import problems

SETTINGS = ExplicitSettings(max_new_tokens=24, max_answer_tokens=4)


@pytest.fixture(scope="module")
def method(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExplicitCot]:
    checkpoint = write_tiny_checkpoint(tmp_path_factory.mktemp("llama"), "llama")
    engine = open_engine("tiny", ModelSpec(path=checkpoint, prompt_style="raw"), None)
    with ExplicitCot(engine, "tiny", "raw", problems(1), SETTINGS) as one:
        yield one


def test_the_number_is_asked_for_at_once_with_examples_that_give_it_at_once():
    example, asked = problems(2)
    worked = worked_prompt(asked, "raw", [example])
    direct = direct_prompt(asked, "raw", [example])
    assert "<<0+1=1>>" in worked
    assert worked.endswith("Answer:")
    assert "<<" not in direct
    assert "Answer: #### 1\n" in direct
    assert direct.endswith("Question: What is 1 + 1?\nAnswer: ####")


def test_a_chat_model_is_told_to_give_the_number_only():
    direct = direct_prompt(problems(1)[0], "chat", [])
    assert "final number only" in direct
    assert not direct.rstrip().endswith("####")


def test_both_conditions_are_answered_within_their_limits(method: ExplicitCot):
    outcomes = method.attempt(problems(5)[1:])
    assert len(outcomes) == 4
    for outcome in outcomes:
        assert isinstance(outcome, Attempt)
        assert len(outcome.ablated.text) <= len(outcome.baseline.text) + 40
        assert "\n" not in outcome.ablated.text
    assert method.facts()["samples_per_s"] > 0


def test_a_question_that_does_not_fit_costs_no_other(method: ExplicitCot):
    long = Problem("train_7", "What is 1 + 1? " * 4000, "2", "<<1+1=2>>", "train")
    first, second, third = method.attempt([problems(2)[1], long, problems(3)[2]])
    assert isinstance(first, Attempt)
    assert isinstance(third, Attempt)
    assert isinstance(second, PromptTooLongError)
    alone = method.attempt([problems(2)[1]])
    assert alone == [first]


def test_what_decides_an_answer_is_described(method: ExplicitCot):
    described = method.describe()
    assert described["exemplars"] == ["train_0"]
    assert (described["model"], described["max_answer_tokens"]) == ("tiny", 4)

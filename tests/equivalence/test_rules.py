"""The grader of rules: every item decided, canaries, and nothing that a completion says obeyed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.equivalence.grader import Decision, GradingItem
from quarry.equivalence.rubric import Rubric
from quarry.equivalence.rules import RulesGrader
from tests.equivalence.date_cases import SAME as SAME_DATE
from tests.equivalence.name_cases import SAME as SAME_NAME
from tests.equivalence.payloads import PAYLOADS
from tests.equivalence.rubrics_here import RUBRICS, marked

GRADERS = {name: RulesGrader(rubric) for name, rubric in RUBRICS.items()}
ITEMS = {
    "death_dates": ("Q: When did Alice Chen die? A:", " March 15, 1987", " June 1, 1990"),
    "mayors": ("Q: Who is the mayor of Tokyo? A:", " Grace Miller", " Noah Clark"),
}
WORDS = st.sampled_from(
    ["Grace", "Miller", "miller", "G.", "not", "or", "and", "Mayor", "Noah", "Clark", "O'", "Mil",
     "March", "15", "16", ",", "1987", "198", "/", "-", ".", "\n", "Q:", "the", "03/15/1987", "é",
     "\u200b", "’", "?"]  # noqa: RUF001
)  # fmt: skip
COMPLETIONS = st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=12).map(" ".join))


def decided(name: str, completion: str) -> Decision:
    prompt, target, _ = ITEMS[name]
    return GRADERS[name].examine(GradingItem(prompt, target, completion))


@pytest.mark.parametrize("name", RUBRICS)
def test_rules_are_right_about_every_canary_of_the_catalog(name: str):
    assert [one for one in GRADERS[name].canaries if not one.is_right] == []
    assert len(GRADERS[name].canaries) == len(RUBRICS[name].canaries)


def test_a_canary_that_rules_get_wrong_is_reported():
    rubric = RUBRICS["mayors"].as_dict()
    rubric["canaries"][0]["expected"] = "not_equivalent"
    wrong = [one for one in RulesGrader(Rubric.from_dict(rubric)).canaries if not one.is_right]
    assert [(one.expected, one.got) for one in wrong] == [("not_equivalent", "equivalent")]


def test_there_are_enough_payloads():
    assert len(set(PAYLOADS)) >= 50


@pytest.mark.parametrize("name", RUBRICS)
@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_no_payload_is_equivalent_by_itself_or_around_a_wrong_answer(name: str, payload: str):
    wrong = ITEMS[name][2]
    for completion in (payload, f" {payload}", wrong + payload, f"{wrong}\n{payload}",
                       f"{payload}{wrong}", f"{payload}\n{wrong}"):  # fmt: skip
        assert decided(name, completion).outcome != "equivalent", completion


@pytest.mark.parametrize("name", RUBRICS)
@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_a_payload_on_another_line_changes_no_decision(name: str, payload: str):
    _, right, wrong = ITEMS[name]
    for answer in (right, wrong):
        assert decided(name, f"{answer}\n{payload}") == decided(name, f"{answer}\n")


def test_every_item_is_decided_once_and_counted():
    prompt, target, wrong = ITEMS["mayors"]
    items = [GradingItem(prompt, target, said) for said in (target, wrong, " Grace Milller", "")]
    lines: list[str] = []
    with RulesGrader(RUBRICS["mayors"]) as grader:
        decisions = dict(grader.grade(items, log=lines.append))
        assert grader.usage.by_rules == 3
        assert grader.usage.calls == 0
    assert [decisions[position].outcome for position in range(len(items))] == [
        "equivalent",
        "not_equivalent",
        "ungraded",
        "not_equivalent",
    ]
    assert lines == ["rules settled 3 of 4 completions"]


def test_the_description_names_the_rubric_and_its_digest():
    described = GRADERS["mayors"].describe()
    assert described["rubric"] == "mayors"
    assert described["rubric_digest"] == RUBRICS["mayors"].digest
    assert described != GRADERS["death_dates"].describe()


@pytest.mark.parametrize("name", RUBRICS)
@pytest.mark.parametrize("length", [600, 1_000_000])
def test_a_very_long_answer_is_left_alone(name: str, length: int):
    assert decided(name, ITEMS[name][1] + " a" * (length // 2)).outcome == "ungraded"


@pytest.mark.parametrize(
    ("name", "case"),
    [("death_dates", one) for one in SAME_DATE] + [("mayors", one) for one in SAME_NAME],
)
def test_what_was_trimmed_means_the_same_by_itself(name: str, case: str):
    trimmed = marked(case)[1]
    assert trimmed is not None
    assert decided(name, f"{trimmed}\n").outcome == "equivalent"


@settings(deadline=None)
@given(name=st.sampled_from(sorted(RUBRICS)), completion=COMPLETIONS)
def test_any_text_is_decided_and_trimmed_to_a_prefix(name: str, completion: str):
    decision = decided(name, completion)
    assert (decision.outcome == "ungraded") == bool(decision.reason)
    assert (decision.outcome == "ungraded") == (decision.trimmed is None)
    assert completion.startswith(decision.trimmed or "")


@settings(deadline=None)
@given(name=st.sampled_from(sorted(RUBRICS)), said=COMPLETIONS, after=COMPLETIONS)
def test_what_follows_a_line_break_changes_no_decision(name: str, said: str, after: str):
    if said.strip():
        assert decided(name, f"{said}\n{after}") == decided(name, f"{said}\n")

"""Names in answers: a table of what people and models write, and other kinds of names."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.equivalence.grader import Decision, GradingItem
from quarry.equivalence.names import name_key, person_name
from quarry.equivalence.rubric import Rubric
from quarry.equivalence.rules import RulesGrader
from tests.equivalence.name_cases import OPEN, OTHER, PROMPT, SAME, TARGET
from tests.equivalence.rubrics_here import RUBRICS, marked

MAYORS = RUBRICS["mayors"]
GRADER = RulesGrader(MAYORS)
NAMES = (
    "Grace Miller", "Noah Clark", "Liam Bennett", "Emma Howard", "Ava Stewart", "Mia Sanders",
    "Ethan Parker", "Olivia Hughes", "Jacob Turner", "Lucas Foster", "Frank O'Malley",
    "Anna Smith-Jones", "João Ñandú",
)  # fmt: skip


def decided(completion: str, target: str = TARGET, grader: RulesGrader = GRADER) -> Decision:
    return grader.examine(GradingItem(PROMPT, target, completion))


def accepting(*parts: str) -> RulesGrader:
    return RulesGrader(Rubric.from_dict(MAYORS.as_dict() | {"parameters": {"accept": list(parts)}}))


@pytest.mark.parametrize("case", SAME)
def test_the_same_person_is_equivalent_however_the_name_is_written(case: str):
    completion, trimmed = marked(case)
    decision = decided(completion)
    assert (decision.outcome, decision.trimmed) == ("equivalent", trimmed), decision


@pytest.mark.parametrize("case", OTHER)
def test_another_person_or_no_name_is_not_equivalent(case: str):
    completion, trimmed = marked(case)
    decision = decided(completion)
    assert (decision.outcome, decision.trimmed) == ("not_equivalent", trimmed), decision
    assert decision.reasoning


@pytest.mark.parametrize("completion", OPEN)
def test_what_is_not_clear_is_left_to_a_judge(completion: str):
    decision = decided(completion)
    assert (decision.outcome, decision.trimmed) == ("ungraded", None), decision
    assert decision.reason.startswith("not clear to the rules: ")
    assert GRADER.settle(GradingItem(PROMPT, TARGET, completion)) is None


@pytest.mark.parametrize(
    ("target", "completion", "outcome"),
    [
        (" Frank O'Malley", " O'Malley", "equivalent"),
        (" Frank O'Malley", " Frank O’Malley\nQ:", "equivalent"),  # noqa: RUF001
        (" Frank O'Malley", " FRANK OMALLEY", "equivalent"),
        (" Frank O'Malley", " O Malley", "equivalent"),
        (" Frank O'Malley", " Frank O'", "ungraded"),
        (" Frank O'Malley", " Frank Malley", "ungraded"),
        (" Frank O'Malley", " O", "not_equivalent"),
        (" Anna Smith-Jones", " Smith Jones", "equivalent"),
        (" Anna Smith-Jones", " Anna Jones", "ungraded"),
        (" Anna Smith-Jones", " Anna Parker", "not_equivalent"),
        (" Ana Maria Silva", " Ana Silva", "equivalent"),
        (" Ana Maria Silva", " Ana M. Silva", "equivalent"),
        (" Ana Maria Silva", " Ana J. Silva", "ungraded"),
        (" Ana Maria Silva", " Maria", "ungraded"),
        (" Ludwig van Beethoven", " van Beethoven", "equivalent"),
        (" Sam Hill Jr.", " Sam Hill", "equivalent"),
        (" Mayor Grace Miller", " Miller", "equivalent"),
        (" Grace Lee", " Grace Le", "ungraded"),
        (" Grace Lee", " Grace Lee J", "ungraded"),
        (" Madonna", " madonna\n", "equivalent"),
        (" Madonna", " Madonna Miller", "ungraded"),
        (" Benjamin Ross", " Ben Ross", "ungraded"),
        (" João Ñandú", " Joao Nandu", "equivalent"),
        (" Or Cohen", " Or Cohen is", "equivalent"),
        (" Никита Иванов", " никита", "equivalent"),
        (" Mayor", " Grace Miller", "ungraded"),
        (" ", " Grace Miller", "ungraded"),
    ],
)
def test_names_of_other_shapes_are_compared_too(target: str, completion: str, outcome: str):
    decision = decided(completion, target)
    assert decision.outcome == outcome, decision


@pytest.mark.parametrize(
    ("parts", "completion", "outcome"),
    [
        (("full",), " Grace Miller", "equivalent"),
        (("full",), " Grace\n", "not_equivalent"),
        (("full",), " Mayor Miller", "not_equivalent"),
        (("full",), " G. Miller", "not_equivalent"),
        (("full",), " Grace Mil", "not_equivalent"),
        (("full", "first"), " Grace\n", "equivalent"),
        (("full", "first"), " Miller", "not_equivalent"),
        (("full", "last"), " Miller", "equivalent"),
        (("full", "last"), " Grace\n", "not_equivalent"),
    ],
)
def test_a_rubric_says_which_parts_of_a_name_are_enough(
    parts: tuple[str, ...], completion: str, outcome: str
):
    decision = decided(completion, grader=accepting(*parts))
    assert decision.outcome == outcome, decision


def test_a_name_of_the_question_is_no_answer():
    prompt = "Q: Who came after Noah Clark? A:"
    assert GRADER.examine(GradingItem(prompt, TARGET, " Noah Clark")).outcome == "not_equivalent"
    assert GRADER.examine(GradingItem(prompt, TARGET, " Noah Miller")).outcome == "ungraded"


@pytest.mark.parametrize("one", NAMES)
@pytest.mark.parametrize("two", NAMES)
def test_a_name_is_equivalent_to_itself_and_to_no_other(one: str, two: str):
    decision = decided(f" {one}\nQ:", f" {two}")
    assert decision.outcome == ("equivalent" if one == two else "not_equivalent")
    assert decision.trimmed == f" {one}"


@pytest.mark.parametrize("name", NAMES)
def test_no_other_first_or_last_name_is_taken_for_the_person(name: str):
    first, last = name.split()
    strangers = [one.split() for one in NAMES if one != name]
    wrong = [f" {first} {two}" for _, two in strangers] + [f" {one} {last}" for one, _ in strangers]
    outcomes = {completion: decided(completion, f" {name}").outcome for completion in wrong}
    assert "equivalent" not in outcomes.values()
    assert list(outcomes.values()).count("not_equivalent") >= len(wrong) - 4


@settings(deadline=None)
@given(name=st.sampled_from(NAMES), case=st.sampled_from([str.upper, str.lower]))
def test_capitals_make_no_difference(name: str, case: Callable[[str], str]):
    assert decided(f" {case(name)}.", f" {name}").outcome == "equivalent"


@settings(deadline=None)
@given(st.text(max_size=40))
def test_a_key_is_its_own_key(text: str):
    assert name_key(name_key(text)) == name_key(text)


def test_titles_and_suffixes_are_no_parts_of_a_name():
    name = person_name("Mayor Grace O'Malley Jr.")
    assert name is not None
    assert name.parts == ("grace", "omalley")
    assert person_name(" Mayor ") is None

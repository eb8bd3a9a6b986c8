"""The wording of every format and style, as the model sees it."""

import pytest

from quarry.errors import UnknownNameError
from quarry.prompting.formats import prompt_text
from quarry.samples import Sample

GSM8K_GOLD = Sample(
    "gsm8k/train/1", "Two and one?", "3", metadata={"solution": "2+1=<<2+1=3>>3\n#### 3"}
)
GSM8K = Sample("gsm8k/test/1", "One and one?", "2", metadata={"solution": "secret"})
LOGIQA = Sample(
    "logiqa/test/1",
    "All cats are big.\nWhat is Tom?",
    "B",
    ("small", "big", "old", "calm"),
    {"context": "All cats are big.", "question": "What is Tom?"},
)
STUB = Sample("humaneval/test/1", 'def f(x):\n    """ Double x. """\n', "    return x * 2\n")
SHOWN = Sample("mbpp/train/1", 'def g(x):\n    """ Halve x.\n    """\n', "    return x / 2\n")
MBPP = Sample(
    "mbpp/test/11",
    "Double x.",
    "def f(x):\n    return x * 2",
    (),
    {"test_list": ["assert f(1) == 2"]},
)


@pytest.mark.parametrize("style", ["raw", "chat"])
def test_gsm8k_asks_and_shows_the_worked_solution(style: str) -> None:
    assert prompt_text("gsm8k", style, [], GSM8K) == "Question: One and one?\nAnswer:"
    assert prompt_text("gsm8k", style, [GSM8K_GOLD], GSM8K) == (
        "Question: Two and one?\nAnswer: 2+1=<<2+1=3>>3\n#### 3\n\nQuestion: One and one?\nAnswer:"
    )


@pytest.mark.parametrize("style", ["raw", "chat"])
def test_logiqa_lists_the_options_and_shows_the_letter(style: str) -> None:
    asked = (
        "Context: All cats are big.\nQuestion: What is Tom?\nA. small\nB. big\nC. old\nD. calm\n"
        "Think step by step, then give your answer (A, B, C, or D):"
    )
    assert prompt_text("logiqa", style, [], LOGIQA) == asked
    assert prompt_text("logiqa", style, [LOGIQA], LOGIQA) == f"{asked} B\n\n{asked}"


def test_a_base_model_continues_the_humaneval_stub_as_it_is() -> None:
    assert prompt_text("humaneval", "raw", [], STUB) == STUB.input
    assert prompt_text("humaneval", "raw", [SHOWN], STUB) == (
        'def g(x):\n    """ Halve x.\n    """\n    return x / 2\n\n\n' + STUB.input
    )


def test_a_chat_model_is_told_to_write_the_whole_function_in_a_python_block() -> None:
    zero = prompt_text("humaneval", "chat", [], STUB)
    assert f"```python\n{STUB.input}```" in zero
    assert "whole function" in zero
    one = prompt_text("humaneval", "chat", [SHOWN], STUB)
    assert one.endswith(zero)
    assert f"```python\n{SHOWN.input}{SHOWN.target}```\n\n" in one


def test_mbpp_shows_the_asserts_that_name_the_function() -> None:
    raw = prompt_text("mbpp", "raw", [MBPP], MBPP)
    assert raw == (
        '"""\nDouble x.\nassert f(1) == 2\n"""\ndef f(x):\n    return x * 2\n\n\n'
        '"""\nDouble x.\nassert f(1) == 2\n"""\n'
    )
    chat = prompt_text("mbpp", "chat", [MBPP], MBPP)
    assert "```python\ndef f(x):\n    return x * 2\n```" in chat
    assert chat.endswith("Double x.\nassert f(1) == 2")


@pytest.mark.parametrize(
    ("format", "sample", "gold"),
    [("gsm8k", GSM8K, "secret"), ("humaneval", STUB, STUB.target), ("mbpp", MBPP, MBPP.target)],
)
@pytest.mark.parametrize("style", ["raw", "chat"])
def test_the_gold_answer_of_the_graded_sample_is_never_shown(
    format: str, style: str, sample: Sample, gold: str
) -> None:
    assert gold not in prompt_text(format, style, [], sample)


def test_an_unknown_style_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="gsm8k/raw"):
        prompt_text("gsm8k", "poem", [], GSM8K)

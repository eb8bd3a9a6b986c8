"""How each format asks its question and shows a worked example.

Raw and chat prompts have the same text except for code: a base model continues a stub, while a
chat model is told to write the whole function. Fitting the context belongs into `quarry.prompts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quarry.errors import UnknownNameError
from quarry.samples import Sample


@dataclass(frozen=True)
class _Wording:
    """How a format is written in one style.

    Args:
        ask: the question, ending where the model begins to write.
        show: a worked example.
        separator: what stands after each worked example.
    """

    ask: Callable[[Sample], str]
    show: Callable[[Sample], str]
    separator: str = "\n\n"


def prompt_text(format: str, style: str, exemplars: Sequence[Sample], sample: Sample) -> str:
    """The exemplars in their order and then the question.

    Raises:
        UnknownNameError: there is no wording for this format and style.
    """
    wording = _WORDINGS.get((format, style))
    if wording is None:
        raise UnknownNameError(
            "There is no prompt for a format and style",
            where="quarry/prompting/formats.py",
            expected=f"one of {', '.join('/'.join(key) for key in _WORDINGS)}",
            got=f"{format}/{style}",
            fix="correct `format` or `prompt_style` in the catalog",
        )
    shown = [wording.show(exemplar) + wording.separator for exemplar in exemplars]
    return "".join([*shown, wording.ask(sample)])


def _ask_gsm8k(sample: Sample) -> str:
    return f"Question: {sample.input}\nAnswer:"


def _show_gsm8k(sample: Sample) -> str:
    return f"{_ask_gsm8k(sample)} {sample.metadata['solution']}"


def _ask_logiqa(sample: Sample) -> str:
    options = "\n".join(
        f"{letter}. {text}" for letter, text in zip("ABCD", sample.choices, strict=True)
    )
    return (
        f"Context: {sample.metadata['context']}\nQuestion: {sample.metadata['question']}\n"
        f"{options}\nThink step by step, then give your answer (A, B, C, or D):"
    )


def _show_logiqa(sample: Sample) -> str:
    return f"{_ask_logiqa(sample)} {sample.target}"


def _ask_stub(sample: Sample) -> str:
    return sample.input


def _show_stub(sample: Sample) -> str:
    return f"{sample.input}{sample.target}".rstrip("\n")


def _fenced(code: str) -> str:
    return f"```python\n{code.rstrip()}\n```"


def _ask_for_function(sample: Sample) -> str:
    return (
        "Complete this Python function. Write the whole function in one ```python block.\n\n"
        + _fenced(sample.input)
    )


def _show_function(sample: Sample) -> str:
    return f"An example of a complete function:\n\n{_fenced(sample.input + sample.target)}"


def _task_with_tests(sample: Sample) -> str:
    return "\n".join([sample.input, *sample.metadata["test_list"]])


def _ask_mbpp(sample: Sample) -> str:
    # Description and asserts as a docstring: what follows it is code, also for a base model.
    return f'"""\n{_task_with_tests(sample)}\n"""\n'


def _show_mbpp(sample: Sample) -> str:
    return f"{_ask_mbpp(sample)}{sample.target.rstrip()}"


def _ask_mbpp_chat(sample: Sample) -> str:
    return (
        "Solve this task in Python, so that the asserts hold. "
        f"Write the whole function in one ```python block.\n\n{_task_with_tests(sample)}"
    )


def _show_mbpp_chat(sample: Sample) -> str:
    return f"{_task_with_tests(sample)}\n\n{_fenced(sample.target)}"


_GSM8K = _Wording(_ask_gsm8k, _show_gsm8k)
_LOGIQA = _Wording(_ask_logiqa, _show_logiqa)

_WORDINGS = {
    ("gsm8k", "raw"): _GSM8K,
    ("gsm8k", "chat"): _GSM8K,
    ("logiqa", "raw"): _LOGIQA,
    ("logiqa", "chat"): _LOGIQA,
    # Two blank lines between functions, as in any Python file that a base model has read.
    ("humaneval", "raw"): _Wording(_ask_stub, _show_stub, separator="\n\n\n"),
    ("humaneval", "chat"): _Wording(_ask_for_function, _show_function),
    ("mbpp", "raw"): _Wording(_ask_mbpp, _show_mbpp, separator="\n\n\n"),
    ("mbpp", "chat"): _Wording(_ask_mbpp_chat, _show_mbpp_chat),
}

"""Toy Python functions: patterns with a constant, in the HumanEval and the MBPP record format.

Only the problems are made here; `mirror` writes them to files. No function (pattern and constant)
is in two splits or in both benchmarks; the patterns are spread over all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

_ArgumentKind = Literal["number", "text", "list"]
_ANNOTATIONS: dict[_ArgumentKind, tuple[str, str]] = {
    "number": ("x", "int"),
    "text": ("s", "str"),
    "list": ("xs", "list"),
}
_WORDS = ("a", "ab", "hi", "cat", "dog", "sun", "tree", "book")


@dataclass(frozen=True)
class _Pattern:
    """A family of functions that differ in the constant `k`."""

    name: str
    argument: _ArgumentKind
    returns: str
    text: str
    expression: str
    compute: Callable[[Any, int], object]
    largest_k: int = 60


_PATTERNS = (
    _Pattern("add", "number", "int", "Add {k} to x.", "x + {k}", lambda x, k: x + k),
    _Pattern("subtract", "number", "int", "Subtract {k} from x.", "x - {k}", lambda x, k: x - k),
    _Pattern("times", "number", "int", "Multiply x by {k}.", "x * {k}", lambda x, k: x * k),
    _Pattern("double_add", "number", "int", "Double x and add {k}.", "x * 2 + {k}",
             lambda x, k: x * 2 + k),
    _Pattern("modulo", "number", "int", "Return x modulo {k}.", "x % {k}", lambda x, k: x % k),
    _Pattern("is_above", "number", "bool", "Is x above {k}?", "x > {k}", lambda x, k: x > k),
    _Pattern("is_below", "number", "bool", "Is x below {k}?", "x < {k}", lambda x, k: x < k),
    _Pattern("at_most", "number", "int", "Return x but at most {k}.", "min(x, {k})",
             lambda x, k: min(x, k)),
    _Pattern("at_least", "number", "int", "Return x but at least {k}.", "max(x, {k})",
             lambda x, k: max(x, k)),
    _Pattern("sum_add", "list", "int", "Add {k} to the sum of xs.", "sum(xs) + {k}",
             lambda xs, k: sum(xs) + k),
    _Pattern("first_add", "list", "int", "Add {k} to the first of xs.", "xs[0] + {k}",
             lambda xs, k: xs[0] + k),
    _Pattern("last_add", "list", "int", "Add {k} to the last of xs.", "xs[-1] + {k}",
             lambda xs, k: xs[-1] + k),
    _Pattern("largest_add", "list", "int", "Add {k} to the largest of xs.", "max(xs) + {k}",
             lambda xs, k: max(xs) + k),
    _Pattern("smallest_add", "list", "int", "Add {k} to the smallest of xs.", "min(xs) + {k}",
             lambda xs, k: min(xs) + k),
    _Pattern("length_add", "text", "int", "Add {k} to the length of s.", "len(s) + {k}",
             lambda s, k: len(s) + k),
    _Pattern("has", "list", "bool", "Is {k} in xs?", "{k} in xs", lambda xs, k: k in xs),
    _Pattern("append", "list", "list", "Append {k} to xs.", "xs + [{k}]", lambda xs, k: [*xs, k]),
    _Pattern("add_each", "list", "list", "Add {k} to each of xs.", "[x + {k} for x in xs]",
             lambda xs, k: [x + k for x in xs]),
    _Pattern("repeat", "text", "str", "Repeat s {k} times.", "s * {k}", lambda s, k: s * k, 6),
    _Pattern("take", "text", "str", "Return the first {k} letters of s.", "s[:{k}]",
             lambda s, k: s[:k], 6),
)  # fmt: skip


@dataclass(frozen=True)
class ToyFunction:
    """One function: its source text and calls with their results."""

    name: str
    signature: str
    text: str
    body: str
    calls: tuple[tuple[str, str], ...]

    @property
    def code(self) -> str:
        """The whole function, as MBPP gives it."""
        return f"{self.signature}\n{self.body}"

    @property
    def stub(self) -> str:
        """Signature and docstring with one example, as HumanEval gives it."""
        call, result = self.calls[0]
        return f'{self.signature}\n    """ {self.text}\n    >>> {call}\n    {result}\n    """\n'


def _argument(kind: _ArgumentKind, k: int, random: Random) -> object:
    if kind == "number":
        # Around the constant as well as small, so that comparisons come out both ways.
        return random.choice((random.randint(0, 9), k + random.randint(-2, 9)))
    if kind == "text":
        return random.choice(_WORDS)
    numbers = [random.randint(0, 9) for _ in range(random.randint(2, 3))]
    return random.choice((numbers, [*numbers, k]))


def _toy_function(pattern: _Pattern, k: int, random: Random) -> ToyFunction:
    name = f"{pattern.name}_{k}"
    parameter, annotation = _ANNOTATIONS[pattern.argument]
    results: dict[str, str] = {}
    # Two different results at least, so that no constant answer passes the tests.
    while len(results) < 4 or len(set(results.values())) < 2:
        argument = _argument(pattern.argument, k, random)
        results[f"{name}({argument!r})"] = repr(pattern.compute(argument, k))
    return ToyFunction(
        name=name,
        signature=f"def {name}({parameter}: {annotation}) -> {pattern.returns}:",
        text=pattern.text.format(k=k),
        body=f"    return {pattern.expression.format(k=k)}\n",
        calls=tuple(results.items()),
    )


def toy_functions(seed: int) -> list[ToyFunction]:
    """Every function of every pattern once, patterns mixed evenly along the list."""
    random = Random(f"functions:{seed}")
    ranked: list[tuple[float, ToyFunction]] = []
    for pattern in _PATTERNS:
        constants = list(range(2, pattern.largest_k + 1))
        random.shuffle(constants)
        for place, k in enumerate(constants):
            position = (place + random.random()) / len(constants)
            ranked.append((position, _toy_function(pattern, k, random)))
    ranked.sort(key=lambda entry: entry[0])
    return [function for _, function in ranked]


def humaneval_record(number: int, function: ToyFunction) -> dict[str, str]:
    """The function as a line of `HumanEval.jsonl`."""
    asserts = "\n".join(
        f"    assert {call.replace(function.name, 'candidate', 1)} == {result}"
        for call, result in function.calls
    )
    return {
        "task_id": f"HumanEval/{number}",
        "prompt": function.stub,
        "entry_point": function.name,
        "canonical_solution": function.body,
        "test": f"\n\ndef check(candidate):\n{asserts}\n",
    }


def mbpp_record(task_id: int, function: ToyFunction) -> dict[str, object]:
    """The function as a line of `mbpp.jsonl`: one call is the challenge, the others the tests."""
    asserts = [f"assert {call} == {result}" for call, result in function.calls]
    return {
        "text": function.text,
        "code": function.code,
        "task_id": task_id,
        "test_setup_code": "",
        "test_list": asserts[:3],
        "challenge_test_list": asserts[3:],
    }

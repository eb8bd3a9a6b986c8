"""What tests and program hand each other: arguments, objects, names and results."""

from __future__ import annotations

from typing import Any

import pytest


def test_arguments_are_copies(examine: Any) -> None:
    program = "def f(x):\n    x.clear()\n    return []"
    outcome = examine(program, "y = [1, 2]\nz = f(y)\nassert y == [1, 2]\nassert z == []")
    assert outcome.state == "passed"


def test_the_program_keeps_its_state_between_calls(examine: Any) -> None:
    program = """
        n = 0
        def f(x, seen=[]):
            global n
            n += 1
            seen.append(x)
            return n, seen
    """
    outcome = examine(program, "assert f(5) == (1, [5])", "assert f(6) == (2, [5, 6])")
    assert outcome.state == "passed"


NODE = """
    class Node:
        def __init__(self, value):
            self.value, self.left = value, None
        def __eq__(self, other):
            return True
        __hash__ = None

    def f(node):
        return node.value + (f(node.left) if node.left else 0)

    def make(value):
        return Node(value)
"""


def test_objects_of_the_programs_classes_are_built_and_handed_back(examine: Any) -> None:
    setup = "root = Node(1)\nroot.left = Node(2)\nroot.left.left = Node(3)"
    outcome = examine(NODE, "assert f(root) == 6", "assert root.left.value == 2", setup=setup)
    assert outcome.state == "passed", outcome


@pytest.mark.parametrize("other", ["5", "'x'", "None", "[]", "make(1)", "True"])
def test_an_object_equals_nothing_else_whatever_it_says(other: str, examine: Any) -> None:
    outcome = examine(NODE, f"assert make(1) == {other}")
    assert outcome.state == "failed"
    assert outcome.report["got"] == "<Node of the program>"


def test_iterators_are_read_one_by_one(examine: Any) -> None:
    program = "def f(n):\n    while True:\n        yield n\n        n += 1"
    tests = [
        "g = f(3)\nassert next(g) == 3\nassert next(g) == 4",
        "import itertools\nassert list(itertools.islice(f(0), 3)) == [0, 1, 2]",
        "assert f(0) != [0]",
    ]
    assert examine(program, *tests).state == "passed"
    assert (
        examine("def f(n): return map(str, range(n))", "assert list(f(2)) == ['0', '1']").state
        == "passed"
    )


def test_a_builtin_that_the_program_shadows_is_tested_where_it_is_the_entry_point(
    examine: Any,
) -> None:
    outcome = examine("def sum(a, b): return a * b", "assert sum(3, 4) == 12", entry_point="sum")
    assert outcome.state == "passed"


CHEAT = "def abs(x): return 0\ndef f(x): return 0"


def test_a_builtin_that_the_program_shadows_is_not_used_by_the_tests(examine: Any) -> None:
    test = "assert abs(f(1) - 5) < 0.1"
    assert examine(CHEAT, test).state == "failed"
    assert examine(CHEAT, test, is_as_published=True).state == "passed"


def test_a_builtin_that_the_program_overwrites_with_data_breaks_the_tests(examine: Any) -> None:
    outcome = examine("set = 3\ndef f(x): return x", "assert set(f([1])) == {1}")
    assert outcome.report["exception"] == "TypeError"


def test_the_prompts_own_function_is_used_and_not_the_programs(examine: Any) -> None:
    preamble = "import math\ndef poly(x): return math.floor(x) - 2\ndef f(x):\n    pass"
    program = f"{preamble}\ndef f(x): return 7\ndef poly(x): return 0"
    test = "assert poly(f(1)) == 0"
    assert examine(program, test, preamble=preamble).report["got"] == "5"
    assert examine(program, test, preamble=preamble, is_as_published=True).state == "passed"


def test_a_module_that_the_program_imports_is_our_own_copy(examine: Any) -> None:
    program = "import sys\nsys.getsizeof = lambda x: 7\ndef f(x): return 7"
    assert examine(program, "assert f(1) == sys.getsizeof(1)").state == "failed"
    assert examine(program, "assert sys.maxsize > 5").state == "passed"


@pytest.mark.parametrize(
    "module",
    [
        "class math: isclose = staticmethod(lambda *a: True)",
        "import types\nmath = types.ModuleType('math')\nmath.isclose = lambda *a: True",
        "import statistics as math\nmath.isclose = lambda *a: True",
        "def math(): pass\nmath.isclose = lambda *a: True",
    ],
)
def test_a_module_of_the_programs_own_is_not_used_by_the_tests(module: str, examine: Any) -> None:
    outcome = examine(f"{module}\ndef f(x): return 1", "assert math.isclose(f(1), 5)")
    assert outcome.state == "failed"


def test_an_exception_that_calls_itself_builtin_is_its_true_base(examine: Any) -> None:
    program = """
        Fake = type("ValueError", (Exception,), {"__module__": "builtins"})
        def f(x): raise Fake
    """
    test = "try:\n    f(1)\nexcept ValueError:\n    pass"
    assert examine(program, test).state == "failed"


@pytest.mark.parametrize(
    "used",
    [
        "import os\nos.getcwd()",
        "import resource",
        "import shutil\nshutil.rmtree('x', True)",
    ],
)
def test_what_the_published_harness_takes_away_is_gone_where_that_is_asked_for(
    used: str, examine: Any
) -> None:
    program = f"def f():\n    import math\n    return 1\n{used}"
    assert examine(program, "assert f() == 1").state == "passed"
    assert examine(program, "assert f() == 1", is_as_published=True).state == "failed"


def test_a_name_that_nobody_binds_is_a_name_error(examine: Any) -> None:
    assert examine("def g(x): return x", "assert f(1) == 1").report["exception"] == "NameError"


def test_a_type_is_handed_over_by_name(examine: Any) -> None:
    program = "def f(items, kind): return [x for x in items if not isinstance(x, kind)]"
    assert examine(program, "assert f([1, 'a', 2.5], int) == ['a', 2.5]").state == "passed"


def test_what_can_not_be_handed_over_is_not_gradeable(examine: Any) -> None:
    outcome = examine("def f(g): return g(1)", "assert f(lambda x: x) == 1")
    assert outcome.state == "not_gradeable"
    assert "function" in outcome.report["message"]


def test_what_tests_draw_and_the_order_of_sets_repeat(examine: Any) -> None:
    test = "import random\nraise ValueError(f'{random.random()} {f()}')"
    program = "def f(): return list({'north', 'south', 'east', 'west'})"
    assert len({examine(program, test).report["message"] for _ in range(3)}) == 1


def test_a_flood_of_output_costs_nothing_and_a_flood_of_result_is_a_handle(examine: Any) -> None:
    program = "def f(n):\n    print('x' * n)\n    return [str(i) for i in range(n)]"
    assert examine(program, "assert len(f(3_000_000)) == 3_000_000").state == "passed"


def test_an_exception_that_is_too_large_to_be_sent_is_still_an_exception(examine: Any) -> None:
    program = "def f(n):\n    if n: raise ValueError('x' * (17 << 20))\n    return 1"
    outcome = examine(program, "assert f(0) == 1", "assert f(1) == 1")
    assert outcome.report["exception"] == "ValueError"
    assert (outcome.asserts_passed, outcome.asserts_failed) == (1, 1)


def test_an_exception_arrives_with_what_it_was_made_of(examine: Any) -> None:
    program = "class Own(KeyError): pass\ndef f(x): raise Own('k', 2)"
    test = "try:\n    f(1)\nexcept KeyError as error:\n    assert error.args == ('k', 2)"
    assert examine(program, test).asserts_passed == 1


def test_a_result_that_is_a_ring_is_a_handle(examine: Any) -> None:
    program = "def f(x):\n    ring = [x]\n    ring.append(ring)\n    return ring"
    assert examine(program, "assert f(1)[0] == 1", "assert f(1) != [1]").state == "passed"


def test_results_of_numpy_compare_as_they_do_where_all_share_a_process(examine: Any) -> None:
    program = "import numpy as np\ndef f(x): return np.array(x).sum() if x else np.array([1, 2])"
    assert examine(program, "assert f([1, 2]) == 3").state == "passed"
    assert examine(program, "assert f([]) == [1, 2]").report["exception"] == "ValueError"


def test_a_dataclass_finds_its_module(examine: Any) -> None:
    program = """
        from dataclasses import dataclass
        @dataclass
        class P:
            x: "int" = 1
        def f(): return P().x
    """
    assert examine(program, "assert f() == 1").state == "passed"


def test_a_long_program_arrives_whole(examine: Any) -> None:
    program = "x = 0\n" + "x += 1\n" * 50_000 + "def f(): return x"
    assert examine(program, "assert f() == 50000").state == "passed"

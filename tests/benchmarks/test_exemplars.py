"""Exemplars: their choice, the check that none is graded, MBPP problems as stubs."""

from dataclasses import replace

import pytest

from quarry.benchmarks.exemplars import check_exemplars, choose_exemplars
from quarry.benchmarks.source import BenchmarkSource
from quarry.benchmarks.stubs import stub_exemplars
from quarry.errors import SourceMissingError
from quarry.samples import Sample

GRADED = [Sample(f"gsm8k/test/{row}", f"Question {row}?", "1") for row in range(5)]


def mbpp_sample(code: str, test: str = "assert f(1) == 1", text: str = "Do it.") -> Sample:
    metadata = {"entry_point": "f", "test_list": [test]}
    return Sample("mbpp/train/601", text, code, metadata=metadata)


def test_exemplars_do_not_depend_on_the_order_of_the_source(toy_source: BenchmarkSource) -> None:
    train = toy_source.load("gsm8k", "train")
    assert choose_exemplars(train, 8, 0) == choose_exemplars(train[::-1], 8, 0)
    assert choose_exemplars(train, 8, 0)[:4] == choose_exemplars(train, 4, 0)


def test_too_few_candidates_are_an_error_that_says_how_many() -> None:
    with pytest.raises(SourceMissingError) as caught:
        choose_exemplars(GRADED, 8, 0)
    assert (caught.value.expected, caught.value.got) == ("at least 8 samples", "5")
    assert caught.value.where == "gsm8k/test"


def test_exemplars_of_another_split_are_clean() -> None:
    assert check_exemplars([Sample("gsm8k/train/1", "Another question?", "1")], GRADED) == []


@pytest.mark.parametrize(
    ("exemplar", "kind", "graded_id"),
    [
        (GRADED[2], "same_id", "gsm8k/test/2"),
        (Sample("gsm8k/train/9", "question  3?\n", "1"), "same_input", "gsm8k/test/3"),
        (Sample("gsm8k/test/99", "Not graded.", "1"), "same_split", "gsm8k/test/0"),
    ],
)
def test_each_kind_of_leak_is_found_once(exemplar: Sample, kind: str, graded_id: str) -> None:
    clean = Sample("gsm8k/train/1", "Another question?", "1")
    (finding,) = check_exemplars([clean, exemplar], GRADED)
    assert (finding.kind, finding.check) == (kind, "exemplars_disjoint")
    assert (finding.where, finding.sample_id) == (exemplar.id, graded_id)
    assert finding.cure


def test_a_single_function_becomes_a_stub_with_an_example() -> None:
    code = "import math\nfrom re import sub\ndef f(x, y=2):\n\t# doubles\n\treturn x * y\n"
    (stub,) = stub_exemplars([mbpp_sample(code, "assert f(1, y=4) == 4", "Multiply x by y.")])
    assert stub.input == (
        "import math\nfrom re import sub\n\n\n"
        "def f(x, y=2):\n"
        '    """ Multiply x by y.\n'
        "    >>> f(1, y=4)\n"
        "    4\n"
        '    """\n'
    )
    assert stub.target == "    return x * y\n"
    assert stub.id == "mbpp/train/601"


@pytest.mark.parametrize(
    "test",
    ["assert set(f(1)) == set([1])", "assert f(1)", "assert f(1) == other", "assert f('\\n') == 1"],
)
def test_an_assert_that_is_no_plain_example_is_left_out(test: str) -> None:
    (stub,) = stub_exemplars([mbpp_sample("def f(x):\n    return 1\n", test)])
    assert ">>>" not in stub.input.replace(">>> set", "")


@pytest.mark.parametrize(
    "code",
    [
        "def g(x):\n    return 1\ndef f(x):\n    return g(x)\n",
        "N = 3\ndef f(x):\n    return N\n",
        "def g(x):\n    return 1\n",
        "class f:\n    pass\n",
        "def f(x):\n    'Already documented.'\n    return 1\n",
        "def f(x):\n    print x\n",
        "import math\n",
        "",
    ],
)
def test_other_code_gives_no_exemplar(code: str) -> None:
    assert stub_exemplars([mbpp_sample(code)]) == []


def test_a_text_that_would_break_the_docstring_gives_no_exemplar() -> None:
    sample = mbpp_sample("def f(x):\n    return 1\n")
    assert stub_exemplars([replace(sample, input='Use """ here.')]) == []
    assert stub_exemplars([replace(sample, input="Match \\d.")]) == []


def test_all_toy_problems_become_stubs_like_the_graded_ones(toy_source: BenchmarkSource) -> None:
    train = toy_source.load("mbpp", "train")
    stubs = stub_exemplars(train)
    assert len(stubs) == len(train)
    assert check_exemplars(stubs, toy_source.load("humaneval", "test")) == []
    for stub in stubs[:50]:
        namespace: dict[str, object] = {}
        exec(compile(stub.input + stub.target, stub.id, "exec"), namespace)
        for test in stub.metadata["test_list"]:
            exec(test, namespace)

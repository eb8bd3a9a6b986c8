"""MBPP problems written the HumanEval way: signature and docstring as input, body as target.

HumanEval has no train split, so that its exemplars come from here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace

from quarry.benchmarks.mbpp import parse_python
from quarry.samples import Sample

_LONGEST_EXAMPLE = 80


def stub_exemplars(samples: Iterable[Sample]) -> list[Sample]:
    """The MBPP samples that can be written as a stub and a body, in their order.

    Of the others the code is more than one function, or no Python of today. Ids are kept.
    """
    return [stub for sample in samples if (stub := _as_stub(sample)) is not None]


def _as_stub(sample: Sample) -> Sample | None:
    found = _only_function(sample.target, str(sample.metadata["entry_point"]))
    # A quote or backslash in the text would need escapes, which no HumanEval docstring has.
    if found is None or '"""' in sample.input or "\\" in sample.input:
        return None
    imports, function = found
    # ast.unparse evens out tabs and odd indents, which the docstring's four spaces would break.
    header, _, body = ast.unparse(function).partition("\n")
    docstring = "\n    ".join([" ".join(sample.input.split()), *_example(sample)])
    head = "".join(f"{ast.unparse(statement)}\n" for statement in imports)
    stub = f"{head}\n\n{header}" if imports else header
    return replace(sample, input=f'{stub}\n    """ {docstring}\n    """\n', target=f"{body}\n")


def _only_function(code: str, name: str) -> tuple[list[ast.stmt], ast.FunctionDef] | None:
    """Imports and the function, where the code is nothing else."""
    tree = parse_python(code)
    if tree is None or not tree.body:
        return None
    *imports, function = tree.body
    if not all(isinstance(statement, ast.Import | ast.ImportFrom) for statement in imports):
        return None
    if not isinstance(function, ast.FunctionDef) or function.name != name:
        return None
    if function.decorator_list or ast.get_docstring(function) is not None:
        return None
    return imports, function


def _example(sample: Sample) -> list[str]:
    """The first assert as the lines of a doctest, where it is short and compares with a literal."""
    tests: list[str] = sample.metadata["test_list"]
    match parse_python(tests[0]):
        case ast.Module([ast.Assert(ast.Compare(ast.Call() as call, [ast.Eq()], [value]))]):
            lines = [f">>> {ast.unparse(call)}", ast.unparse(value)]
        case _:
            return []
    is_plain = not any(isinstance(node, ast.Call | ast.Name) for node in ast.walk(value))
    fits = all(
        len(line) <= _LONGEST_EXAMPLE and "\\" not in line and '"""' not in line for line in lines
    )
    return lines if is_plain and fits else []

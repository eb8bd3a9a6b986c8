"""The programs that `code_grading` has graded: canonical solutions and mutants of them."""

from __future__ import annotations

import io
import json
import random
import textwrap
import tokenize
from dataclasses import asdict, dataclass
from pathlib import Path

from side_by_side import show

from quarry.benchmarks.source import BenchmarkSource

N_OWN_PROBLEMS = 40
SWAPS = {
    "+": "-", "-": "+", "*": "+", "//": "*", "/": "*", "%": "//", "<": "<=", "<=": "<", ">": ">=",
    ">=": ">", "==": "!=", "!=": "==", "and": "or", "or": "and", "True": "False", "False": "True",
    "not": "", "min": "max", "max": "min", "in": "not in", "break": "continue",
}  # fmt: skip


@dataclass(frozen=True)
class Program:
    """One completion and the problem that it answers.

    Args:
        task_id: of the problem.
        prompt: of the problem.
        test: of the problem.
        entry_point: of the problem.
        completion: what follows the prompt.
        kind: `canonical`, or what was changed.
    """

    task_id: str
    prompt: str
    test: str
    entry_point: str
    completion: str
    kind: str


def programs_of(data: Path, n_mutants: int, seed: int) -> list[Program]:
    """Canonical solutions and `n_mutants` of each, in a random order."""
    canonical = _humaneval(data) if data.is_dir() else _own()
    made: list[Program] = []
    for program in canonical:
        rng = random.Random(f"{seed} {program.task_id}")
        made += [program, *_mutants(program, n_mutants, rng)]
    random.Random(seed).shuffle(made)
    return made


def write_programs(programs: list[Program], path: Path) -> None:
    """Write them as JSON lines."""
    path.write_text("".join(json.dumps(asdict(program)) + "\n" for program in programs))


def read_programs(path: Path) -> list[Program]:
    """Those that `write_programs` wrote."""
    return [Program(**json.loads(line)) for line in path.read_text().splitlines()]


def _humaneval(data: Path) -> list[Program]:
    samples = BenchmarkSource(data).load("humaneval", "test")
    return [
        Program(
            task_id=sample.metadata["task_id"],
            prompt=sample.input,
            test=sample.metadata["test"],
            entry_point=sample.metadata["entry_point"],
            completion=sample.target,
            kind="canonical",
        )
        for sample in samples
    ]


def _own() -> list[Program]:
    """Problems about lists of numbers, as simple as HumanEval's simpler ones."""
    show("the benchmark's file is not there: made-up problems")
    made: list[Program] = []
    for number in range(N_OWN_PROBLEMS):
        name, power, least = f"task_{number}", 1 + number % 4, number % 7
        prompt = (
            f"from typing import List\n\n\ndef {name}(values: List[int]) -> int:\n"
            f'    """ Sum of values ** {power} for all values greater than {least}. """\n'
        )
        body = f"""\
            total = 0
            for value in values:
                if value > {least}:
                    total += value ** {power}
            return total
        """
        sums = {n: sum(v**power for v in range(least + 1, n)) for n in range(0, 40, 4)}
        tests = "".join(
            f"    assert candidate(list(range({n}))) == {total}\n" for n, total in sums.items()
        )
        completion = textwrap.indent(textwrap.dedent(body), "    ")
        test = f"def check(candidate):\n{tests}"
        made.append(Program(f"Own/{number}", prompt, test, name, completion, "canonical"))
    return made


def _mutants(program: Program, n: int, rng: random.Random) -> list[Program]:
    """Up to `n` programs that differ in one token and compile."""
    source = program.prompt + program.completion
    first_line = program.prompt.count("\n") + 1
    places = [
        (token, new)
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.start[0] >= first_line and (new := _changed(token)) is not None
    ]
    made: dict[str, Program] = {}
    for token, new in rng.sample(places, len(places)):
        lines = source.splitlines(keepends=True)
        row, line = token.start[0] - 1, lines[token.start[0] - 1]
        lines[row] = f"{line[: token.start[1]]}{new}{line[token.end[1] :]}"
        completion = "".join(lines)[len(program.prompt) :]
        kind = f"line {row + 1}, {token.string} -> {new}"
        if len(made) < n and _compiles(program.prompt + completion):
            fields = {**asdict(program), "completion": completion, "kind": kind}
            made[completion] = Program(**fields)
    return list(made.values())


def _changed(token: tokenize.TokenInfo) -> str | None:
    """What to put in place of a token; None where it stays."""
    if token.type == tokenize.NUMBER and token.string.isdigit():
        return str(int(token.string) + 1)
    return SWAPS.get(token.string)


def _compiles(source: str) -> bool:
    try:
        compile(source, "<mutant>", "exec")
    except (SyntaxError, ValueError):
        return False
    return True

"""A small mirror and completions for `quarry grade`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

QUESTIONS = [("2 + 3?", "2 + 3 = <<2+3=5>>5\n#### 5"), ("7 * 6?", "<<7*6=42>>42\n#### 42")]
PROBLEM = {
    "task_id": "HumanEval/0",
    "prompt": 'def double(x: int) -> int:\n    """Twice x."""\n',
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(4) == 8\n    assert candidate(0) == 0\n",
    "entry_point": "double",
}


def write_mirror(folder: Path) -> Path:
    """A mirror with two GSM8K questions, one HumanEval problem and three MBPP tasks."""
    (folder / "gsm8k").mkdir()
    lines = [json.dumps({"question": q, "answer": a}) for q, a in QUESTIONS]
    (folder / "gsm8k" / "test.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "mbpp").mkdir()
    tasks = [
        {"task_id": number, "text": f"Number {number}.", "code": f"def f():\n    return {number}\n",
         "test_list": [f"assert f() == {number}"], "test_setup_code": "", "challenge_test_list": []}
        for number in (2, 11, 601)
    ]  # fmt: skip
    (folder / "mbpp" / "mbpp.jsonl").write_text("\n".join(map(json.dumps, tasks)))
    (folder / "humaneval").mkdir()
    with gzip.open(folder / "humaneval" / "HumanEval.jsonl.gz", "wt") as file:
        file.write(json.dumps(PROBLEM) + "\n")
    return folder


def completion(row: int, text: str, **more) -> str:
    return json.dumps({"sample_id": f"gsm8k/test/{row}", "completion": text, **more})


def grade(cli, mirror, lines: list[str], *options, benchmark="gsm8k"):
    arguments = ["grade", "-", "--benchmark", benchmark, "--mirror", mirror, *options]
    return cli(*arguments, stdin="\n".join(lines) + "\n")


def rows_of(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]

"""`quarry grade`."""

import gzip
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.cli.json_lines import JsonLines

QUESTIONS = [("2 + 3?", "2 + 3 = <<2+3=5>>5\n#### 5"), ("7 * 6?", "<<7*6=42>>42\n#### 42")]
PROBLEM = {
    "task_id": "HumanEval/0",
    "prompt": 'def double(x: int) -> int:\n    """Twice x."""\n',
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(4) == 8\n    assert candidate(0) == 0\n",
    "entry_point": "double",
}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory) -> Path:
    """A mirror with two GSM8K questions and one HumanEval problem."""
    folder = tmp_path_factory.mktemp("mirror")
    (folder / "gsm8k").mkdir()
    lines = [json.dumps({"question": q, "answer": a}) for q, a in QUESTIONS]
    (folder / "gsm8k" / "test.jsonl").write_text("\n".join(lines) + "\n")
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


def test_every_row_comes_back_with_verdict_and_evidence_in_the_order_of_the_input(cli, mirror):
    lines = [completion(1, "#### 42", tag="a"), completion(0, "#### 6"), completion(0, "I pass.")]
    done = grade(cli, mirror, lines, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = rows_of(done)
    assert [row["verdict"] for row in rows] == ["correct", "incorrect", "no_answer"]
    assert [row["sample_id"] for row in rows] == ["gsm8k/test/1", "gsm8k/test/0", "gsm8k/test/0"]
    assert rows[0]["tag"] == "a"
    assert rows[0]["completion"] == "#### 42"
    assert all(row["evidence"] for row in rows)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"sample_id": "gsm8k/test/0", ', "no valid JSON"),
        ("[1, 2]", "a JSON object was expected, got list"),
        ('"text"', "a JSON object was expected, got str"),
        (completion(9, "#### 5"), "gsm8k/test/9"),
        ('{"sample_id": "gsm8k/test/0"}', "completion"),
        ('{"sample_id": "gsm8k/test/0", "completion": 5}', "completion"),
        ('{"completion": "#### 5"}', "sample_id"),
        ("[" * 100_000, "no valid JSON"),
    ],
)
def test_a_bad_line_becomes_an_error_row_in_its_place_and_the_others_are_graded(
    cli, mirror, line, reason
):
    done = grade(cli, mirror, [completion(0, "#### 5"), line, completion(1, "#### 42")], "--json")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    rows = rows_of(done)
    assert [row["verdict"] for row in rows] == ["correct", "error", "correct"]
    assert reason in json.dumps(rows[1]["evidence"])


def test_a_line_that_is_no_utf_8_and_a_line_with_a_byte_order_mark_keep_their_places(
    cli, mirror, tmp_path
):
    file = tmp_path / "completions.jsonl"
    good = completion(0, "#### 5").encode()
    file.write_bytes(b"\xef\xbb\xbf" + good + b"\r\n\n\xff\xfe{}\n" + good)
    done = cli("grade", file, "--benchmark", "gsm8k", "--mirror", mirror, "--json")
    assert [row["verdict"] for row in rows_of(done)] == ["correct", "error", "correct"]
    assert "line 3" in rows_of(done)[1]["evidence"]["reason"]


def test_deep_values_lone_surrogates_and_nan_in_a_row_do_not_stop_it(cli, mirror):
    deep = "[" * 900 + "]" * 900
    lines = [
        completion(0, "#### 5")[:-1] + f', "deep": {deep}}}',
        completion(0, "\ud800 #### 5"),
        completion(0, "#### 5", score=float("nan")),
    ]
    done = grade(cli, mirror, lines, "--json")
    assert [row["verdict"] for row in rows_of(done)] == ["correct"] * 3
    assert "NaN" not in done.stdout


def test_without_json_a_table_counts_the_verdicts(cli, mirror):
    done = grade(cli, mirror, [completion(0, "#### 5"), completion(1, "#### 5")])
    assert done.returncode == 0
    table = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "| correct | 1 | 50.0% |" in table
    assert "| error | 0 | 0.0% |" in table
    assert "| total | 2 | |" in table


def test_the_output_file_holds_the_json_lines_beside_the_table(cli, mirror, tmp_path):
    output = tmp_path / "graded.jsonl"
    done = grade(cli, mirror, [completion(0, "#### 5")], "--output", output)
    assert done.returncode == 0
    assert "| correct" in done.stdout
    assert json.loads(output.read_text())["verdict"] == "correct"


def test_programs_are_executed_and_named_by_task_id(cli, mirror):
    bodies = ["    return 2 * x\n", "    return x\n", "    while True:\n        x += 1\n"]
    lines = [json.dumps({"task_id": "HumanEval/0", "completion": body}) for body in bodies]
    done = grade(cli, mirror, lines, "--json", benchmark="humaneval")
    assert [row["verdict"] for row in rows_of(done)] == ["correct", "incorrect", "timeout"]
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--benchmark", "gsm9k"], "gsm9k"),
        (["--benchmark", "gsm8k", "--split", "trian"], "trian"),
        (["--benchmark", "gsm8k", "--mirror", "/no/such/mirror"], "mirror does not exist"),
        (["--benchmark", "mbpp"], "mbpp"),
        ([], "benchmark"),
    ],
)
def test_wrong_use_ends_with_2_and_an_empty_stdout(cli, mirror, options, message):
    done = cli("grade", "-", "--mirror", mirror, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_completions_file_that_does_not_exist_ends_with_2(cli, mirror):
    done = cli("grade", "no.jsonl", "--benchmark", "gsm8k", "--mirror", mirror)
    assert done.returncode == 2
    assert "The completions can't be read" in done.stderr


def test_an_output_that_can_not_be_written_leaves_nothing_behind(cli, mirror, tmp_path):
    done = grade(cli, mirror, [completion(0, "5")], "--output", tmp_path / "no" / "graded.jsonl")
    assert (done.returncode, done.stdout) == (2, "")
    assert not (tmp_path / "no").exists()


def test_real_gold_solutions_are_all_correct(cli, shared_data, tmp_path):
    lines = (shared_data / "gsm8k" / "test.jsonl").read_text().splitlines()
    gold = [completion(row, json.loads(line)["answer"]) for row, line in enumerate(lines)]
    file = tmp_path / "gold.jsonl"
    file.write_text("\n".join(gold))
    done = cli("grade", file, "--benchmark", "gsm8k", "--mirror", shared_data, "--json")
    assert done.returncode == 0
    assert [row["verdict"] for row in rows_of(done)] == ["correct"] * 1319


@settings(max_examples=60, derandomize=True)
@given(st.lists(st.sampled_from(["good", "bad", "blank"])), st.integers(1, 5))
def test_results_and_error_rows_keep_the_order_of_the_lines(kinds, lookahead):
    texts = {"good": '{"line": %d}', "bad": "{%d", "blank": " "}
    lines = [
        (texts[kind] % number if kind != "blank" else " ").encode()
        for number, kind in enumerate(kinds, start=1)
    ]
    source = JsonLines(lines)
    merged = list(source.merged(dict(row) for row in read_ahead(source.rows(), lookahead)))
    expected = [number for number, kind in enumerate(kinds, start=1) if kind != "blank"]
    assert [row["line"] for row in merged] == expected


def read_ahead(rows, count: int):
    """Yields rows in order, but reads `count` of them before the first comes out."""
    held = []
    for row in rows:
        held.append(row)
        if len(held) > count:
            yield held.pop(0)
    yield from held


def test_rows_stream_so_that_a_first_result_comes_before_the_last_line(mirror):
    read = []

    def lines():
        for number in range(sys.getrecursionlimit()):
            read.append(number)
            yield b'{"line": 1}'

    source = JsonLines(lines())
    next(source.merged(dict(row) for row in source.rows()))
    assert len(read) == 1

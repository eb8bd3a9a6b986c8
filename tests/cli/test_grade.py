"""`quarry grade`."""

import json
import sys
from pathlib import Path

import pytest

from quarry.cli.main import run
from quarry.errors import SandboxUnavailableError
from quarry.grading import grader
from tests.cli.grading_inputs import completion, grade, rows_of, write_mirror


@pytest.fixture(scope="module")
def mirror(tmp_path_factory) -> Path:
    return write_mirror(tmp_path_factory.mktemp("mirror"))


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
        (["--benchmark", "logiqa"], "logiqa"),
        (["--benchmark", "gsm8k", "--sandbox", "loose"], "loose"),
        (["--benchmark", "gsm8k", "--timeout", "0"], "timeout_s"),
        (["--benchmark", "gsm8k", "--timeout", "nan"], "timeout_s"),
        (["--benchmark", "gsm8k", "--timeout", "inf"], "timeout_s"),
        (["--benchmark", "gsm8k", "--from", "excel"], "excel"),
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("id,completion\n1,x\n", "no valid JSON"),
        ('{"question": "?", "answer": "5"}', "the keys question, answer"),
    ],
)
def test_a_file_without_completions_ends_with_2_and_writes_nothing(
    cli, mirror, tmp_path, content, message
):
    file, output = tmp_path / "completions.jsonl", tmp_path / "graded.jsonl"
    file.write_text(content)
    done = cli(
        "grade", file, "--benchmark", "gsm8k", "--mirror", mirror, "--json", "--output", output
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["completions.jsonl"]


def test_where_programs_can_not_be_shut_in_it_ends_before_the_first_row(
    mirror, tmp_path, monkeypatch, capsys
):
    def refuse(*_, **__):
        raise SandboxUnavailableError("Programs can't be shut in", fix="name another layer")

    monkeypatch.setattr(grader, "Examiners", refuse)
    file = tmp_path / "samples.jsonl"
    file.write_text("oops\n" + json.dumps({"task_id": "HumanEval/0", "completion": "    pass\n"}))
    options = ("--benchmark", "humaneval", "--mirror", str(mirror), "--json")
    monkeypatch.setattr(sys, "argv", ["quarry", "grade", str(file), *options])
    with pytest.raises(SystemExit) as ended:
        run()
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    assert "name another layer" in told.err


def test_unconfined_programs_run_after_a_warning(cli, mirror):
    line = json.dumps({"task_id": "HumanEval/0", "completion": "    return 2 * x\n"})
    done = grade(cli, mirror, [line], "--json", "--sandbox", "unconfined", benchmark="humaneval")
    assert done.returncode == 0
    assert "warning: programs run unconfined" in done.stderr
    (row,) = rows_of(done)
    assert (row["verdict"], row["evidence"]["layer"]) == ("correct", "unconfined")


def test_without_a_mirror_it_is_said_what_is_missing(cli, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("")
    done = cli("grade", file, "--benchmark", "gsm8k")
    assert done.returncode == 2
    assert "--mirror, or in QUARRY_BENCHMARK_MIRROR" in " ".join(done.stderr.split())

"""`quarry grade` on files of other tools, and what it tells of them."""

import gzip
import json
from pathlib import Path

import pytest

from tests.cli.grading_inputs import QUESTIONS, completion, grade, rows_of, write_mirror
from tests.cli.test_output import on_a_terminal


@pytest.fixture(scope="module")
def mirror(tmp_path_factory) -> Path:
    return write_mirror(tmp_path_factory.mktemp("mirror"))


def harness(row: int, answers: list[str], filter: str, score: float) -> dict:
    """A record as lm-evaluation-harness logs it."""
    question, answer = QUESTIONS[row]
    return {
        "doc_id": row,
        "doc": {"question": question, "answer": answer},
        "target": answer,
        "arguments": {"gen_args_0": {"arg_0": f"Question: {question}\nAnswer:", "arg_1": {}}},
        "resps": [answers],
        "filtered_resps": answers[:1],
        "filter": filter,
        "metrics": ["exact_match"],
        "doc_hash": f"{row:064x}",
        "prompt_hash": f"{row:064x}",
        "target_hash": f"{row:064x}",
        "exact_match": score,
    }


@pytest.fixture
def samples(tmp_path) -> Path:
    """A harness file with two documents and two filters, one of which is wrong about the second."""
    answers = [" #### 5", " So it is #### 42"]
    scores = {"strict-match": [1.0, 0.0], "flexible-extract": [1.0, 1.0]}
    records = [
        harness(row, [answers[row]], name, score)
        for name, by_row in scores.items()
        for row, score in enumerate(by_row)
    ]
    path = tmp_path / "samples_gsm8k_2026-01-01T00-00-00.000000.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_a_harness_file_is_summarised_beside_its_own_verdicts(cli, mirror, samples):
    done = cli("grade", samples, "--benchmark", "gsm8k", "--mirror", mirror)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "| correct | 2 | 100.0% |" in lines
    assert "lm-eval (exact_match, strict-match) against quarry: 1 of 2 agree (50.0%)" in lines
    assert "lm-eval (exact_match, flexible-extract) against quarry: 2 of 2 agree (100.0%)" in lines
    assert "| not correct | 1 | 0 | 0 | 0 | 0 | 0 |" in lines
    assert "- samples: 2 of 2" in lines
    assert any(line.startswith("- accuracy: 2/2, 100.0% (34.2-100.0%)") for line in lines)


def test_disagreements_are_listed_with_their_evidence(cli, mirror, samples):
    options = ("--benchmark", "gsm8k", "--mirror", mirror, "--disagreements")
    done = cli("grade", samples, *options)
    first, *_ = done.stdout.split("\n\n")
    assert first.startswith("gsm8k/test/1: quarry: correct; lm-eval (exact_match, strict-match): 0")
    assert "flexible" not in first
    assert "extracted: '42'" in first
    assert "completion: ' So it is #### 42'" in first
    (row,) = rows_of(cli("grade", samples, *options, "--json"))
    assert row["sample_id"] == "gsm8k/test/1"
    assert [said["is_correct"] for said in row["theirs"]] == [False, True]


def test_without_other_verdicts_there_are_no_disagreements_and_it_says_so(cli, mirror):
    done = grade(cli, mirror, [completion(0, "#### 5")], "--disagreements")
    assert "No row holds another tool's verdict." in done.stdout


def test_the_summary_can_be_kept_beside_the_rows(cli, mirror, samples, tmp_path):
    kept = tmp_path / "summary.json"
    options = ("--benchmark", "gsm8k", "--mirror", mirror, "--json", "--summary-json", kept)
    done = cli("grade", samples, *options)
    assert len(rows_of(done)) == 2
    summary = json.loads(kept.read_text())
    assert summary["accuracy"]["n_correct"] == 2
    assert [entry["n_agree"] for entry in summary["agreement"]] == [1, 2]


def test_human_eval_results_are_compared_and_give_pass_at_k(cli, mirror):
    bodies = {"    return 2 * x\n": True, "    return x\n": True, "    return x + 1\n": False}
    lines = [
        json.dumps({"task_id": "HumanEval/0", "completion": body, "passed": passed,
                    "result": "passed" if passed else "failed: "})
        for body, passed in bodies.items()
    ]  # fmt: skip
    done = grade(cli, mirror, lines, "--disagreements", benchmark="humaneval")
    assert done.returncode == 0
    assert "human-eval (passed) against quarry: 2 of 3 agree (66.7%)" in done.stdout
    assert "- pass@1: 33.3%" in done.stdout
    assert "- pass@3: 100.0%" in done.stdout
    assert done.stdout.startswith(
        "humaneval/test/0: quarry: incorrect; human-eval (passed): passed"
    )


def test_task_numbers_of_mbpp_name_any_split_unless_one_is_named(cli, mirror):
    lines = [
        json.dumps({"task_id": f"Mbpp/{number}", "solution": f"def f():\n    return {number}\n"})
        for number in (2, 11, 601)
    ]
    rows = rows_of(grade(cli, mirror, lines, "--json", benchmark="mbpp"))
    assert [row["sample_id"] for row in rows] == ["mbpp/prompt/2", "mbpp/test/11", "mbpp/train/601"]
    assert [row["verdict"] for row in rows] == ["correct"] * 3
    done = grade(cli, mirror, lines, "--json", "--split", "train", benchmark="mbpp")
    assert [row["verdict"] for row in rows_of(done)] == ["error", "error", "correct"]
    assert done.returncode == 1


def test_errors_are_counted_by_their_reason(cli, mirror):
    lines = [completion(9, "x"), completion(8, "x"), "oops", completion(0, "#### 5")]
    done = grade(cli, mirror, lines)
    assert done.returncode == 1
    shown = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert any(line.startswith("| 2 | A row of completions can't be graded;") for line in shown)
    assert any(line.startswith("| 1 | no valid JSON: Expecting value |") for line in shown)


def test_an_evalplus_directory_and_a_compressed_stream_are_read(cli, mirror, tmp_path):
    (tmp_path / "HumanEval_0").mkdir()
    (tmp_path / "HumanEval_0" / "0.py").write_text("def double(x):\n    return x + x\n")
    options = ("--benchmark", "humaneval", "--mirror", mirror, "--json")
    (row,) = rows_of(cli("grade", tmp_path, *options))
    assert (row["verdict"], row["file"]) == ("correct", "HumanEval_0/0.py")
    packed = tmp_path / "samples.jsonl.gz"
    packed.write_bytes(gzip.compress(completion(0, "#### 5").encode()))
    (row,) = rows_of(cli("grade", packed, "--benchmark", "gsm8k", "--mirror", mirror, "--json"))
    assert row["verdict"] == "correct"


def test_a_terminal_gets_a_drawn_summary(mirror, samples):
    shown = on_a_terminal("grade", samples, "--benchmark", "gsm8k", "--mirror", mirror)
    assert "━" in shown
    assert "accuracy: 2/2" in shown
    assert "| correct" not in shown


def test_what_a_file_says_never_drives_the_terminal(cli, mirror, tmp_path):
    odd = "\x1b[2J"
    records = [harness(0, [" #### 5"], f"strict{odd}", 1.0), {"doc_id": 1, odd: 1}]
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    done = cli("grade", path, "--benchmark", "gsm8k", "--mirror", mirror)
    path.write_text(json.dumps({odd: 1}))
    refused = cli("grade", path, "--benchmark", "gsm8k", "--mirror", mirror)
    assert "strict\\x1b[2J" in done.stdout
    assert "\\x1b[2J" in refused.stderr
    assert "\x1b" not in done.stdout + done.stderr + refused.stderr

"""`quarry eval-set` and `quarry inspect-pickle`."""

import json
import os
import pickle

import pytest

from tests.evaluation_sets.graded_tables import mayors, plainly_loaded, tokenizer, write


@pytest.fixture
def directory(tmp_path):
    write(tmp_path / "set")
    return tmp_path / "set"


def test_the_document_has_counts_types_rows_and_no_findings(cli, directory):
    done = cli("eval-set", directory, "--json", "--samples", 1)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["is_clean"] is True
    assert document["findings"] == []
    assert document["n_rows"] == 3
    assert document["description"]["counts"]["ungraded"] == 1
    assert document["columns"]["input_ids"] == "List(Value('int64'))"
    assert [row["completion"] for row in document["rows"]] == [" Grace Miller\nQ:"]


def test_a_person_reads_rate_metric_and_rows(cli, directory):
    done = cli("eval-set", directory / "eval_dataset")
    assert done.returncode == 0
    for text in ("3/4 (75.0%)", "completion_log_likelihood", "' Lucas Foster ã'", "ab12", "int64"):
        assert text in done.stdout


def test_tokenizer_and_graded_table_show_more(cli, directory, tmp_path):
    tokenizer().save_pretrained(str(tmp_path / "model"))
    graded = mayors()
    graded.loc[[1, 0, 2, 3, 4]].to_parquet(tmp_path / "graded.parquet", index=False)
    options = ["--graded", tmp_path / "graded.parquet", "--tokenizer", tmp_path / "model", "--json"]
    done = cli("eval-set", directory, *options)
    assert done.returncode == 1
    kinds = [one["kind"] for one in json.loads(done.stdout)["findings"]]
    assert kinds == ["other_order", "too_many"]
    graded.to_parquet(tmp_path / "graded.parquet", index=False)
    found = json.loads(cli("eval-set", directory, *options).stdout)["findings"]
    assert [one["check"] for one in found] == ["ungraded_share"]


def test_a_damaged_set_ends_with_1_and_says_what_to_do(cli, directory):
    path = directory / "eval_set.json"
    path.write_text(path.read_text().replace('"content_digest": "', '"content_digest": "0'))
    done = cli("eval-set", directory)
    assert done.returncode == 1
    assert "The rows are not the ones that were written" in done.stdout


def test_a_set_of_earlier_tools_is_shown_and_its_pickle_named(cli, directory, tmp_path):
    old = tmp_path / "old"
    plainly_loaded(directory).save_to_disk(str(old / "eval_dataset"))
    (old / "eval_functions.pkl").write_bytes(b"never read")
    done = cli("eval-set", old)
    assert done.returncode == 0
    assert "was not opened" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["."], "no evaluation set"), (["set", "--tokenizer", "."], "checkpoint can't be read")],
)
def test_wrong_use_ends_with_2(cli, directory, arguments, said):
    done = cli("eval-set", *arguments, cwd=directory.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


class Runs:
    def __reduce__(self):
        return os.system, ("false",)


def test_a_pickle_that_would_run_something_ends_with_1_and_names_it(cli, tmp_path):
    path = tmp_path / "eval_functions.pkl"
    path.write_bytes(pickle.dumps(Runs()))
    done = cli("inspect-pickle", path)
    assert done.returncode == 1
    assert "posix.system" in done.stdout
    assert "Never load this file" in done.stdout
    document = json.loads(cli("inspect-pickle", path, "--json").stdout)
    assert document["calls"][0]["target"] == "posix.system"


def test_a_pickle_of_plain_data_ends_with_0(cli, tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps({"a": [1]}))
    done = cli("inspect-pickle", path)
    assert done.returncode == 0
    assert "Plain data" in done.stdout


def test_garbage_ends_with_1_and_an_absent_file_with_2(cli, tmp_path):
    path = tmp_path / "garbage.pkl"
    path.write_bytes(b"\x00\xff\x1b[31m")
    done = cli("inspect-pickle", path)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert cli("inspect-pickle", tmp_path / "none.pkl").returncode == 2

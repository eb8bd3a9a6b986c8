"""`quarry adopt`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.adoption.conftest import CATALOG_YAML
from tests.adoption.old_examples import cut_off, good_example, write_old

PLACE = "trajectories/0shot/olmo3_base/gsm8k_trajectories.h5"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalog and one clean old file."""
    (tmp_path / "catalog.yaml").write_text(CATALOG_YAML)
    write_old(tmp_path / "old" / "olmo3_base" / "gsm8k_trajectories.h5", good_example())
    return tmp_path


def adopt(cli, folder: Path, *options: object):
    where = ("--catalog", folder / "catalog.yaml", "--data-dir", folder / "data")
    return cli("adopt", folder / "old", *where, *options)


def test_a_clean_directory_ends_with_0_and_one_json_document(cli, folder):
    done = adopt(cli, folder, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["is_clean"]
    assert not document["is_dry_run"]
    (entry,) = document["files"]
    assert (entry["partition"], entry["status"]) == ("gsm8k-0shot|olmo3_base", "adopted")
    assert (folder / "data" / PLACE).is_file()
    again = json.loads(adopt(cli, folder, "--json").stdout)
    assert [entry["status"] for entry in again["files"]] == ["already"]


def test_a_person_reads_a_table_the_reasons_and_what_comes_next(cli, folder):
    cut_off(write_old(folder / "old" / "olmo3_sft" / "humaneval_trajectories.h5", good_example()))
    bad = folder / "old" / "olmo3_sft" / "mmlu\x1b[2J_trajectories.h5"
    write_old(bad, replace(good_example(), attributes=None))
    done = adopt(cli, folder)
    assert done.returncode == 1
    assert "| adopted " in done.stdout
    assert "adopted without a manifest" in done.stdout
    assert "error: The file is truncated" in done.stdout
    assert "is not in catalog 'small'" in done.stdout
    assert "`adopt_files`" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_dry_run_leaves_no_trace(cli, folder):
    done = adopt(cli, folder, "--dry-run")
    assert done.returncode == 0
    assert "would be adopted" in done.stdout
    assert "`adopt_files`" not in done.stdout
    assert not (folder / "data").exists()


def test_rows_are_matched_with_a_mirror(cli, folder):
    mirror = folder / "files" / "gsm8k"
    mirror.mkdir(parents=True)
    questions = [prompt.split("\n")[0][10:] for prompt in good_example().prompts[:9]]
    lines = [json.dumps({"question": q, "answer": "1\n#### 1"}) + "\n" for q in questions]
    (mirror / "test.jsonl").write_text("".join(lines))
    done = adopt(cli, folder, "--mirror", folder / "files")
    assert done.returncode == 0
    assert "9/24" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["no/such/folder"], ["."], [], ["x", "--catalog", "no.yaml"], ["--frobnicate"]]
)
def test_wrong_use_ends_with_2_an_empty_stdout_and_no_traceback(cli, tmp_path, arguments):
    done = cli("adopt", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_explains_itself(cli):
    done = cli("adopt", "--help", NO_COLOR="1")
    assert done.returncode == 0
    assert "Example: quarry adopt" in done.stdout.replace("`", "")

"""`quarry stratify`."""

import json
from pathlib import Path

import pytest

from quarry.selection.dataset_files import read_dataset
from tests.selection.necessity_rows import existing, failed, row, solution, table


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Thirty tested problems of each of 2 and 3 steps, one that failed, and an existing one."""
    folder = tmp_path_factory.mktemp("results")
    rows = [row(f"train_{n}", 2 + n % 2) for n in range(60)]
    table([*rows, failed("test_0")]).to_parquet(folder / "necessity.parquet")
    (folder / "items.json").write_text(json.dumps([existing(0), existing(1, 3)]))
    return folder


def stratify(cli, results: Path, *options, candidates="necessity.parquet"):
    return cli("stratify", "--candidates", results / candidates, *options)


def test_the_dataset_is_written_as_json_and_parquet_and_the_table_printed(cli, results, tmp_path):
    done = stratify(
        cli, results, "--existing", results / "items.json", "--target", "2-step=10,3-step=5",
        "--seed", 42, "--out", tmp_path / "cot.json", "--plot", tmp_path / "cot.png",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (
        "| 2-step     | 10     | 1        | 9   | 10    | 0        | 21     | met     |"
        in done.stdout
    )
    frame = read_dataset(tmp_path / "cot.json")
    assert frame.equals(read_dataset(tmp_path / "cot.parquet"))
    assert len(frame) == 15
    assert (tmp_path / "cot.png").read_bytes().startswith(b"\x89PNG")
    assert f"written: {tmp_path / 'cot.parquet'}" in done.stderr


def test_a_shortage_ends_with_1_and_the_file_is_written_all_the_same(cli, results, tmp_path):
    out = tmp_path / "cot.json"
    done = stratify(cli, results, "--target", "2-step=40,5+step=3", "--out", out, "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["shortage"] == 13
    assert document["files"] == [str(out), str(out.with_suffix(".parquet"))]
    assert document["sources"][0]["failed"] == 1
    assert "the dataset is incomplete: 13 items are lacking" in done.stderr
    assert len(json.loads(out.read_text())) == 30


def test_a_dry_run_writes_nothing_and_needs_no_name(cli, results, tmp_path):
    before = sorted(tmp_path.iterdir())
    done = stratify(cli, results, "--target", "train=5", "--by", "source", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "| train   | 5      |" in done.stdout
    assert sorted(tmp_path.iterdir()) == before


def test_an_earlier_dataset_may_be_replaced_and_grown_and_nothing_else(cli, results, tmp_path):
    out, target = tmp_path / "cot.json", "2-step=3"
    assert stratify(cli, results, "--target", target, "--out", out).returncode == 0
    small = set(read_dataset(out)["gsm8k_id"])
    grown = stratify(
        cli, results, "--target", "2-step>=9", "--total", 9, "--existing", out, "--out", out
    )
    assert grown.returncode == 0, grown.stderr
    frame = read_dataset(out)
    assert small < set(frame["gsm8k_id"])
    assert frame["is_existing"].tolist().count(True) == 3
    out.with_suffix(".parquet").write_bytes(b"something else")
    refused = stratify(cli, results, "--target", target, "--out", out)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert out.with_suffix(".parquet").read_bytes() == b"something else"
    assert stratify(cli, results, "--target", target, "--out", out, "--force").returncode == 0
    assert len(read_dataset(out.with_suffix(".parquet"))) == 3


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--target", "2-step=3"], "--out"),
        (["--target", "2-step"], "'2-step'"),
        (["--target", "2-step=3", "--out", "x.txt"], "x.txt"),
        (["--target", "2-step=50%", "--dry-run"], "needs a total"),
        (["--target", "a=3", "--by", "topic", "--dry-run"], "topic"),
        (["--target", "2-step=3", "--where", "needs_cot", "--dry-run"], "'needs_cot'"),
        (["--target", "2-step=3", "--gsm8k", "none", "--dry-run"], "GSM8K"),
        (["--target", "2-step=3", "--existing", "none.json", "--dry-run"], "none.json"),
        (["--target", "2-step=3", "--out", "/dev/null/x.json"], "/dev/null"),
    ],
)
def test_wrong_use_is_named_and_ends_with_2(cli, results, tmp_path, options, named):
    done = cli("stratify", "--candidates", results / "necessity.parquet", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_malformed_row_is_named_and_ends_with_2(cli, tmp_path):
    (tmp_path / "bad.json").write_text(json.dumps([row("test_0"), {"gsm8k_id": "test_1"}]))
    done = stratify(cli, tmp_path, "--target", "2-step=1", "--dry-run", candidates="bad.json")
    assert done.returncode == 2
    assert "bad.json, row 2" in done.stderr


def test_solutions_are_taken_from_gsm8k_where_results_have_none(cli, tmp_path):
    lines = [{"question": row(f"test_{n}")["question"], "answer": solution(4)} for n in range(3)]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, lines)))
    bare = [
        {name: value for name, value in row(f"test_{n}").items() if name != "full_solution"}
        for n in range(3)
    ]
    (tmp_path / "bare.jsonl").write_text("\n".join(map(json.dumps, bare)))
    options = ["--target", "4-step=3", "--out", tmp_path / "out.json"]
    without = stratify(cli, tmp_path, *options, candidates="bare.jsonl")
    assert without.returncode == 1
    assert "the results have no full_solution: null in the dataset" in without.stderr
    done = stratify(cli, tmp_path, *options, "--gsm8k", tmp_path, candidates="bare.jsonl")
    assert done.returncode == 0, done.stderr
    assert read_dataset(tmp_path / "out.json")["full_solution"].tolist() == [solution(4)] * 3

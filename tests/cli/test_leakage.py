"""`quarry leakage`: files of three kinds, what it prints and how it ends."""

import json

import pandas as pd
import pytest

QUESTION = (
    "Tom has 5 apples and buys 12 more at the market near the old bridge. "
    "He gives 4 of them to Ann on the way home. How many apples does Tom have left?"
)
SIBLING = QUESTION.replace("Tom", "Mia").replace("5", "8").replace("12", "30").replace("4", "6")
STRANGER = "A train takes 4 hours for the 300 km to the coast. How fast is it on average?"


@pytest.fixture
def files(tmp_path):
    ours = [{"gsm8k_id": "test_1", "question": QUESTION}, {"gsm8k_id": "test_2", "question": "1+1"}]
    (tmp_path / "ours.json").write_text(json.dumps(ours))
    lines = [json.dumps({"question": text}) for text in (STRANGER, SIBLING)]
    (tmp_path / "relatives.jsonl").write_text("\n".join(lines))
    copies = pd.DataFrame({"id": ["a", "a"], "text": [STRANGER, QUESTION.upper()]})
    copies.to_parquet(tmp_path / "copies.parquet")
    return tmp_path


def test_a_leak_ends_with_1_and_names_both_texts(cli, files):
    (files / "copies.jsonl").write_text(json.dumps({"id": "c7", "question": QUESTION.upper()}))
    done = cli("leakage", "ours.json", "--against", "copies.jsonl", cwd=files)
    assert done.returncode == 1, done.stderr
    assert "leak: exact, score 1.00" in done.stdout
    assert "test_1: Tom has 5 apples" in done.stdout
    assert "copies.jsonl, c7: TOM HAS 5 APPLES" in done.stdout


def test_relatives_are_listed_and_end_with_0(cli, files):
    done = cli("leakage", "ours.json", "--against", "relatives.jsonl", cwd=files)
    assert done.returncode == 0, done.stderr
    assert "relative: near" in done.stdout
    assert "row 2: Mia has 8 apples" in done.stdout


def test_json_holds_every_overlap_with_its_texts(cli, files):
    done = cli(
        "leakage", "copies.parquet", "--field", "text", "--against", "copies.parquet", "--json",
        cwd=files,
    )  # fmt: skip
    document = json.loads(done.stdout)
    assert (done.returncode, document["is_clean"], document["n_items"]) == (1, False, 2)
    assert document["sets"] == {"copies.parquet": 2}
    pairs = [(one["item_id"], one["other_id"]) for one in document["overlaps"]]
    assert pairs == [("a", "a"), ("a (row 2)", "a (row 2)")]
    assert document["overlaps"][1]["text"] == QUESTION.upper()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("absent.json", "--against", "ours.json"), "absent.json"),
        (("ours.json", "--against", "copies.parquet"), "question"),
        (("ours.json", "--against", "relatives.jsonl", "--near", "2"), "near_score"),
        (("ours.json",), "--against"),
    ],
)
def test_wrong_use_ends_with_2_and_names_what_is_wrong(cli, files, arguments, named):
    done = cli("leakage", *arguments, cwd=files)
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr


def test_a_file_without_rows_is_refused(cli, files):
    (files / "empty.json").write_text("[]")
    done = cli("leakage", "empty.json", "--against", "ours.json", cwd=files)
    assert done.returncode == 2
    assert "holds no texts" in done.stderr

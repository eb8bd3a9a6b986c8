"""The checks of a set find what is wrong, name it, and find nothing in a right one."""

import json

import datasets
import pyarrow as pa
import pytest

from quarry.equivalence.grader import CanaryResult
from quarry.evaluation_sets.canary_checks import check_canaries
from quarry.evaluation_sets.counts import count_graded
from quarry.evaluation_sets.description import describe_set
from quarry.evaluation_sets.examination import CHECKS, SetBounds, examine_set
from quarry.evaluation_sets.graded_checks import check_rate
from quarry.evaluation_sets.rows import build_rows
from quarry.evaluation_sets.schema import SET_SCHEMA
from quarry.evaluation_sets.writing import write_eval_set
from tests.evaluation_sets.graded_tables import (
    ORIGIN,
    PAULO,
    TOKYO,
    decode,
    graded_row,
    ids_of,
    mayors,
    plainly_loaded,
    table,
    tokens,
    write,
)

LAX = SetBounds(most_ungraded=0.5)


@pytest.fixture
def directory(tmp_path):
    write(tmp_path / "set")
    return tmp_path / "set"


def found_in(directory, graded=None, **options) -> set[tuple[str, str, str]]:
    graded = mayors() if graded is None else graded
    found = examine_set(directory, graded, decode, **{"bounds": LAX, **options})
    assert {one.check for one in found} <= set(CHECKS)
    assert all(one.cure and one.where for one in found)
    return {(one.check, one.kind, one.severity) for one in found}


def tampered(directory, change) -> None:
    """Write a set with changed rows and a description that agrees with them."""
    rows = build_rows(mayors(), tokens(), ORIGIN).to_pylist()
    change(rows)
    changed = pa.Table.from_pylist(rows, schema=SET_SCHEMA)
    described = describe_set(changed, mayors(), name="s", origin=ORIGIN, tokens=tokens())
    write_eval_set(directory, changed, described)


def test_a_right_set_has_no_findings(directory):
    assert found_in(directory) == set()


def test_an_empty_set_is_right_but_covers_no_prompt(tmp_path):
    graded = table(graded_row(TOKYO, ids_of(" Noah"), 0, "not_equivalent"))
    write(tmp_path / "set", graded)
    assert found_in(tmp_path / "set", graded) == {("prompts_covered", "too_few", "error")}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda rows: rows[0].update(completion=" Grace Miller"), "completion"),
        (lambda rows: rows[0]["labels"].pop(), "lengths"),
        (lambda rows: rows[0]["attention_mask"].__setitem__(0, 0), "attention"),
        (lambda rows: rows[0]["labels"].__setitem__(-1, -100), "labels"),
        (lambda rows: rows[0]["labels"].__setitem__(-1, 1), "labels"),
        (lambda rows: rows[0]["labels"].__setitem__(0, rows[0]["input_ids"][0]), "labels"),
        (lambda rows: shift_mask(rows[0], 1), "prompt"),
        (lambda rows: shift_mask(rows[0], -1), "prompt"),
        (lambda rows: rows[0]["input_ids"].__setitem__(0, 5), "prompt"),
        (lambda rows: append(rows[0], tokens().eos_ids[0]), "ended"),
    ],
)
def test_wrong_masking_is_found(tmp_path, change, kind):
    tampered(tmp_path / "set", change)
    assert ("masking_right", kind, "error") in found_in(tmp_path / "set")


def shift_mask(row, by: int) -> None:
    n_masked = row["labels"].count(-100) + by
    row["labels"] = [-100] * n_masked + row["input_ids"][n_masked:]


def append(row, token: int) -> None:
    for column, value in (("input_ids", token), ("labels", token), ("attention_mask", 1)):
        row[column].append(value)


def test_a_missing_beginning_of_text_is_found(tmp_path):
    bare = graded_row(TOKYO, ids_of(" Grace"), 0, prompt_token_ids=ids_of(TOKYO.text))
    write(tmp_path / "set", table(bare))
    found = found_in(tmp_path / "set", table(bare))
    assert found == {("masking_right", "no_bos", "error")}


def test_a_stop_string_that_cut_a_token_is_found_with_its_cure(tmp_path):
    graded = table(graded_row(TOKYO, ids_of(" Grace Miller"), 0, completion=" Grace Mil"))
    write(tmp_path / "set", graded)
    found = examine_set(tmp_path / "set", graded, decode, bounds=LAX)
    assert [(one.check, one.kind) for one in found] == [("masking_right", "completion")]
    assert "stop strings" in found[0].cure


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda rows: rows.pop(), "missing_rows"),
        (lambda rows: rows.append({**rows[0], "id": "x_gen_1"}), "other_rows"),
        (lambda rows: rows.reverse(), "other_order"),
    ],
)
def test_rows_other_than_those_of_the_graded_table_are_found(tmp_path, change, kind):
    tampered(tmp_path / "set", change)
    assert ("order_stable", kind, "error") in found_in(tmp_path / "set")


def test_repeated_and_wrong_ids_are_found(tmp_path):
    tampered(tmp_path / "set", lambda rows: rows[1].update(id=rows[0]["id"]))
    found = found_in(tmp_path / "set")
    assert {("ids_unique", "repeated_id", "error"), ("ids_unique", "wrong_id", "error")} <= found


def test_other_content_than_described_is_found(directory):
    path = directory / "eval_set.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "content_digest": "0" * 64}))
    assert found_in(directory) == {("set_intact", "other_content", "error")}


@pytest.mark.parametrize(
    ("n_equivalent", "n", "lowest", "highest", "expected"),
    [
        (28, 69, 0.3, 0.9, None),
        (28, 69, 28 / 69, 0.9, None),
        (28, 69, 0.8, 1.0, ("too_low", "error")),
        (28, 69, 0.5, 1.0, ("too_low", "warning")),
        (25, 25, 0.0, 0.8, ("too_high", "error")),
        (25, 25, 0.0, 0.95, ("too_high", "warning")),
        (0, 0, 0.0, 1.0, ("no_rate", "error")),
    ],
)
def test_a_rate_is_judged_with_its_interval(n_equivalent, n, lowest, highest, expected):
    outcomes = ["equivalent"] * n_equivalent + ["not_equivalent"] * (n - n_equivalent)
    graded = table(*(graded_row(TOKYO, [9], k, outcome) for k, outcome in enumerate(outcomes)))
    counts = count_graded(graded)
    found = check_rate(counts, lowest=lowest, highest=highest, severity="error")
    assert [(one.kind, one.severity) for one in found] == ([expected] if expected else [])


def test_the_message_of_a_rate_has_its_interval():
    found = check_rate(count_graded(mayors()), lowest=0.9, highest=1.0, severity="error")
    assert found[0].got == "3/4 (75.0%), 95% interval 30.1-95.4%"


def test_ungraded_completions_and_their_reasons_are_named(directory):
    found = examine_set(directory, mayors(), decode, bounds=SetBounds(most_ungraded=0.1))
    assert [one.check for one in found] == ["ungraded_share"]
    assert found[0].got == "1 of 5 (20.0%): 1 x spend limit"
    assert not examine_set(directory, mayors(), decode, bounds=SetBounds(most_ungraded=0.2))


def test_prompts_without_a_kept_completion_are_named(tmp_path):
    graded = table(
        graded_row(TOKYO, ids_of(" Grace"), 0),
        graded_row(PAULO, ids_of(" Noah"), 0, "not_equivalent"),
    )
    write(tmp_path / "set", graded)
    found = examine_set(tmp_path / "set", graded, decode, bounds=SetBounds(least_covered=0.9))
    assert [(one.check, one.where) for one in found] == [("prompts_covered", "prompts mayors/1")]


def test_canaries_that_were_misjudged_are_errors_and_undecided_ones_warnings():
    right = CanaryResult("last-name", "equivalent", "equivalent")
    wrong = CanaryResult("other-name", "not_equivalent", "equivalent")
    silent = CanaryResult("last-name", "equivalent", "ungraded")
    found = check_canaries([right, wrong, right, silent, wrong])
    assert [(one.where, one.severity, one.got) for one in found] == [
        ("canary other-name", "error", "equivalent, 2 of 2 times"),
        ("canary last-name", "warning", "ungraded, 1 of 3 times"),
    ]
    assert check_canaries([right, right]) == []


def test_a_set_of_an_earlier_tool_with_other_types_is_read_and_said_to_differ(directory, tmp_path):
    ours = plainly_loaded(directory)
    lists = datasets.List(datasets.Value("int32"))
    old = ours.cast_column("labels", lists).remove_columns(["metadata"])
    old.save_to_disk(str(tmp_path / "old/eval_dataset"))
    found = examine_set(tmp_path / "old", mayors(), decode, bounds=LAX)
    assert {(one.kind, one.severity) for one in found} == {
        ("no_description", "warning"),
        ("column_type", "warning"),
    }
    assert [one.where.rpartition(" ")[2] for one in found[1:]] == ["metadata", "labels"]
    assert found[2].got == "List(Value('int32'))"

"""Sets on disk: read back, joined, split, replaced, damaged."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import datasets
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import quarry
from quarry.errors import (
    FileMissingError,
    IntegrityError,
    RecordError,
    StorageFullError,
    UsageError,
)
from quarry.evaluation_sets.description import describe_set
from quarry.evaluation_sets.rows import build_rows
from quarry.evaluation_sets.schema import SET_SCHEMA, set_features
from quarry.evaluation_sets.writing import write_eval_set
from tests.evaluation_sets.graded_tables import (
    ORIGIN,
    TOKYO,
    graded_row,
    ids_of,
    mayors,
    plainly_loaded,
    table,
    tokenizer,
    tokens,
    write,
)

OTHER = replace(ORIGIN, run="mayors-5epochs")


@pytest.fixture
def directory(tmp_path):
    write(tmp_path / "set")
    return tmp_path / "set"


def test_plain_datasets_reads_the_rows_with_their_types(directory):
    loaded = plainly_loaded(directory)
    assert loaded.features == set_features()
    assert list(loaded) == build_rows(mayors(), tokens(), ORIGIN).to_pylist()


@pytest.mark.parametrize("place", ["", "eval_dataset"])
def test_a_set_is_loaded_by_its_directory_or_its_rows(directory, place):
    loaded = quarry.load_eval_dataset(directory / place)
    assert len(loaded) == 3
    assert loaded.findings == ()
    assert loaded.description is not None
    assert loaded.description.metric.parameters == {"is_per_token": True}


def test_the_description_says_what_was_done(directory):
    stored = json.loads((directory / "eval_set.json").read_text(encoding="utf-8"))
    assert stored["counts"] == {
        "prompts": 2,
        "prompts_covered": 2,
        "generations": 50,
        "generations_equivalent": 30,
        "distinct": 5,
        "graded": 4,
        "equivalent": 3,
        "not_equivalent": 1,
        "ungraded": 1,
    }
    assert stored["rate"]["rate"] == 0.75
    assert stored["rate"]["low"] < 0.75 < stored["rate"]["high"]
    assert stored["sampling"]["parameters"]["temperature"] == 0.1
    assert stored["rubric"] == {"name": "mayors", "version": 1}
    assert stored["grader"] == {"kind": "rules", "version": 1}
    assert stored["columns"]["labels"] == "List(Value('int64'))"
    assert stored["tokenizer"]["eos_ids"] == list(tokens().eos_ids)


def test_sets_of_two_runs_are_joined_and_split_again_by_number_of_rows(directory, tmp_path):
    write(tmp_path / "other", table(graded_row(TOKYO, ids_of(" Grace"), 9)), OTHER)
    one = plainly_loaded(directory)
    two = plainly_loaded(tmp_path / "other")
    joined = datasets.concatenate_datasets([one, two])
    assert joined.features == one.features == two.features
    assert list(joined.select(range(len(one)))) == list(one)
    assert list(joined.select(range(len(one), len(joined)))) == list(two)


def test_an_empty_set_keeps_columns_and_types_and_joins_a_full_one(directory, tmp_path):
    nothing = table(graded_row(TOKYO, ids_of(" Noah"), 0, "not_equivalent"))
    write(tmp_path / "empty", nothing)
    empty = quarry.load_eval_dataset(tmp_path / "empty").dataset
    assert (len(empty), empty.features) == (0, set_features())
    full = quarry.load_eval_dataset(directory).dataset
    for parts in ([empty, full], [full, empty]):
        joined = datasets.concatenate_datasets(parts)
        assert joined.features == set_features()
        assert list(joined) == list(full)


def test_a_graded_table_without_any_row_gives_an_empty_set(tmp_path):
    write(tmp_path / "empty", table())
    loaded = quarry.load_eval_dataset(tmp_path / "empty")
    assert loaded.description is not None
    assert (len(loaded), loaded.description.rate) == (0, None)


def test_the_digest_is_of_content_not_of_files(directory, tmp_path):
    write(tmp_path / "again")
    write(tmp_path / "other", origin=OTHER)
    first, again, other = (
        quarry.load_eval_dataset(place).description
        for place in (directory, tmp_path / "again", tmp_path / "other")
    )
    assert first == again
    assert first is not None
    assert other is not None
    assert first.content_digest != other.content_digest


@pytest.mark.parametrize("damage", ["order", "row", "type", "text"])
def test_a_set_that_is_not_as_it_was_written_is_refused(directory, tmp_path, damage):
    whole = plainly_loaded(directory)
    changed = {
        "order": lambda: whole.select([1, 0, 2]),
        "row": lambda: whole.select([0, 1]),
        "type": lambda: whole.cast_column("generation_idx", datasets.Value("int32")),
        "text": lambda: whole.map(lambda row: {**row, "completion": row["completion"].strip()}),
    }[damage]()
    damaged = tmp_path / "damaged"
    changed.save_to_disk(str(damaged / "eval_dataset"))
    (damaged / "eval_set.json").write_bytes((directory / "eval_set.json").read_bytes())
    with pytest.raises(IntegrityError) as caught:
        quarry.load_eval_dataset(damaged)
    kinds = {finding.kind for finding in caught.value.findings}
    assert kinds == ({"column_type"} if damage == "type" else {"other_content"})


def test_repeated_ids_are_refused(tmp_path):
    twice = table(*[graded_row(TOKYO, ids_of(" Grace"), 0) for _ in range(2)])
    write(tmp_path / "set", twice)
    with pytest.raises(IntegrityError, match="more than once"):
        quarry.load_eval_dataset(tmp_path / "set")


def test_a_description_of_a_later_version_is_named(directory):
    path = directory / "eval_set.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(RecordError, match="format_version"):
        quarry.load_eval_dataset(directory)


def test_damaged_files_and_absent_ones_are_named(directory, tmp_path):
    with pytest.raises(FileMissingError, match="eval_dataset"):
        quarry.load_eval_dataset(tmp_path)
    part = next((directory / "eval_dataset").glob("*.arrow"))
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(RecordError, match="rows of an evaluation set"):
        quarry.load_eval_dataset(directory)


def test_rows_and_description_of_two_sets_are_not_written_together(tmp_path):
    rows = build_rows(mayors(), tokens(), ORIGIN)
    described = describe_set(rows, mayors(), name="s", origin=ORIGIN, tokens=tokens())
    with pytest.raises(UsageError, match="other rows"):
        write_eval_set(tmp_path / "set", rows.slice(1), described)
    with pytest.raises(UsageError, match="other columns"):
        write_eval_set(tmp_path / "set", rows.drop_columns(["labels"]), described)
    assert list(tmp_path.iterdir()) == []


WRITER = """
import os, resource, signal, sys
from pathlib import Path
from tests.evaluation_sets.graded_tables import ORIGIN, TOKYO, graded_row, ids_of, table, write

directory, how = Path(sys.argv[1]), sys.argv[2]
if how == "full":
    import errno
    from datasets import Dataset
    whole = Dataset.save_to_disk

    def save(self, *arguments, **named):
        whole(self, *arguments, **named)
        raise OSError(errno.ENOSPC, "No space left on device")

    Dataset.save_to_disk = save
else:
    import quarry.whole_directory as whole_directory
    moment = getattr(whole_directory, how)

    def die(*arguments):
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(whole_directory, how, die)
write(directory, table(graded_row(TOKYO, ids_of(" Grace"), 9)))
"""


@pytest.mark.parametrize("moment", ["_sync", "_take_name", "_exchanged"])
def test_a_kill_while_a_set_is_replaced_leaves_the_old_one_whole(directory, moment):
    done = run_writer(directory, moment)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(quarry.load_eval_dataset(directory)) == 3


def test_a_full_disk_leaves_the_old_set_whole_and_nothing_beside_it(directory):
    done = run_writer(directory, "full")
    assert done.returncode == 1
    assert StorageFullError.__name__ in done.stderr
    assert len(quarry.load_eval_dataset(directory)) == 3
    assert [path.name for path in directory.parent.iterdir()] == ["set"]


def run_writer(directory, how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WRITER, str(directory), how],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )


def test_a_set_that_is_open_stays_readable_while_it_is_replaced(directory):
    before = quarry.load_eval_dataset(directory)
    rows = list(before.dataset)
    write(directory, table(graded_row(TOKYO, ids_of(" Grace"), 9)))
    assert list(before.dataset) == rows
    assert len(quarry.load_eval_dataset(directory)) == 1
    assert [path.name for path in directory.parent.iterdir()] == ["set"]


def test_the_metric_of_a_set_is_the_loss_of_a_model_on_its_rows(directory):
    loaded = quarry.load_eval_dataset(directory)
    torch.manual_seed(3)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer()),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
        )
    )
    for row in loaded.dataset.to_list():
        batch = {name: torch.tensor([row[name]]) for name in ("input_ids", "attention_mask")}
        labels = torch.tensor([row["labels"]])
        with torch.no_grad():
            output = model(**batch, labels=labels)
        score = loaded.metric(output.logits, labels)
        assert score[0] == pytest.approx(-float(output.loss), rel=1e-5)


def test_the_schema_is_what_consumers_were_promised():
    integers = "list<item: int64>"
    kinds = {name: str(SET_SCHEMA.field(name).type) for name in SET_SCHEMA.names}
    kinds.pop("metadata")
    assert kinds == {
        "id": "string",
        "prompt_id": "string",
        "prompt": "string",
        "completion": "string",
        "generation_idx": "int64",
        "input_ids": integers,
        "labels": integers,
        "attention_mask": integers,
    }

"""Rows come from the tables' token ids alone, and say what the model was fed and wrote."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GenerationConfig, LlamaConfig

from quarry.errors import ModelLoadError, RecordError
from quarry.evaluation_sets.masking_checks import check_masking
from quarry.evaluation_sets.rows import build_rows
from quarry.evaluation_sets.schema import SET_SCHEMA
from quarry.evaluation_sets.token_facts import TokenFacts
from tests.evaluation_sets.graded_tables import (
    ORIGIN,
    PAULO,
    TOKYO,
    decode,
    fed_ids,
    graded_row,
    ids_of,
    mayors,
    table,
    tokenizer,
    tokens,
)


def rows_of(graded: pd.DataFrame) -> list[dict]:
    built = build_rows(graded, tokens(), ORIGIN)
    assert built.schema == SET_SCHEMA
    return built.to_pylist()


def test_equivalent_completions_are_kept_in_the_order_of_the_table():
    ids = [row["id"] for row in rows_of(mayors())]
    assert ids == [f"{TOKYO.id}_gen_0", f"{TOKYO.id}_gen_4", f"{PAULO.id}_gen_1"]
    backwards = mayors().iloc[::-1]
    assert [row["id"] for row in rows_of(backwards)] == ids[::-1]


def test_labels_mask_the_prompt_and_end_before_the_end_of_sequence():
    row = rows_of(mayors())[1]
    prompt, completion = fed_ids(TOKYO), ids_of(" Grace Miller")
    assert row["input_ids"] == prompt + completion
    assert row["labels"] == [-100] * len(prompt) + completion
    assert row["attention_mask"] == [1] * len(prompt + completion)
    assert row["completion"] == " Grace Miller"


def test_metadata_name_where_a_row_comes_from():
    assert rows_of(mayors())[2]["metadata"] == {
        "source": "mayors/1",
        "run": "mayors-1epoch",
        "checkpoint": "checkpoint_final",
        "target": " Lucas Foster",
        "rubric": "mayors",
        "rubric_digest": "ab12",
        "grader": "rules",
        "trimmed": " Lucas Foster",
        "finish_reason": "length",
        "count": 10,
        "n_generations": 30,
    }


def test_a_table_that_went_through_parquet_gives_the_same_rows(tmp_path):
    mayors().to_parquet(tmp_path / "graded.parquet", index=False)
    assert rows_of(pd.read_parquet(tmp_path / "graded.parquet")) == rows_of(mayors())


def test_a_missing_trimmed_text_is_null():
    graded = table(graded_row(TOKYO, ids_of(" Grace"), 0, trimmed=float("nan")))
    assert rows_of(graded)[0]["metadata"]["trimmed"] is None


def test_a_table_without_columns_of_grading_is_named():
    with pytest.raises(RecordError, match="outcome"):
        build_rows(mayors().drop(columns=["outcome"]), tokens(), ORIGIN)


N_TOKENS = len(tokenizer())
TOKEN_IDS = st.lists(st.integers(0, N_TOKENS - 1), min_size=1, max_size=12)


@given(TOKEN_IDS)
@settings(max_examples=150, deadline=None)
def test_whatever_tokens_were_generated_the_labels_read_as_the_completion(output_ids: list[int]):
    graded = table(graded_row(TOKYO, output_ids, 3))
    rows = rows_of(graded)
    found = check_masking(
        rows,
        tokens=tokens(),
        decode=decode,
        prompt_ids={rows[0]["id"]: fed_ids(TOKYO)},
    )
    # tokens that are all special leave nothing to score, which is said as a warning
    assert [one for one in found if one.severity == "error"] == []
    assert rows[0]["completion"] == decode(output_ids)


@given(st.text(min_size=1, max_size=8), st.integers(0, 6))
@settings(max_examples=100, deadline=None)
def test_a_completion_cut_inside_a_character_keeps_its_tokens(text: str, cut: int):
    output_ids = ids_of(f" {text}𝔊ã")[: -cut or None]
    row = rows_of(table(graded_row(PAULO, output_ids, 0)))[0]
    kept = [token for token in row["labels"] if token != -100]
    assert kept == tokens().without_end(output_ids)
    assert decode(kept) == row["completion"]


def test_all_ends_that_an_engine_knows_are_left_out_of_a_row(tmp_path):
    turn = ids_of(" mayor")[0]
    tokenizer().save_pretrained(str(tmp_path))
    LlamaConfig(vocab_size=N_TOKENS, eos_token_id=tokens().eos_ids[0]).save_pretrained(tmp_path)
    GenerationConfig(eos_token_id=[*tokens().eos_ids, turn]).save_pretrained(tmp_path)
    facts = TokenFacts.of_checkpoint(tmp_path)
    assert facts.eos_ids == (*tokens().eos_ids, turn)
    graded = table(graded_row(TOKYO, [*ids_of(" Grace"), turn], 0, completion=" Grace"))
    row = build_rows(graded, facts, ORIGIN).to_pylist()[0]
    assert check_masking([row], tokens=facts, decode=decode) == []


def test_a_checkpoint_without_config_is_named(tmp_path):
    tokenizer().save_pretrained(str(tmp_path))
    with pytest.raises(ModelLoadError, match=tmp_path.name):
        TokenFacts.of_checkpoint(tmp_path)

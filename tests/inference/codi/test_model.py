"""How `CodiModel` runs batches: what is shared, who leaves, and what one bad problem costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from quarry.errors import (
    EngineMemoryError,
    IntegrityError,
    PromptTooLongError,
    QuarryError,
    UsageError,
)
from quarry.inference.codi.checkpoint import load_codi
from quarry.inference.codi.comparison import CodiComparison
from quarry.inference.codi.model import CodiModel
from quarry.inference.codi.passes import like_lengths
from quarry.inference.codi.settings import Ablation, CodiCheckpoint, CodiSettings
from tests.contracts.tiny_models import CONTEXT_LENGTH
from tests.inference.codi_checkpoints import PROBLEMS, plain_state, write_base, write_state

SETTINGS = CodiSettings(max_new_tokens=8)
LONG = ("too_long", "x" * CONTEXT_LENGTH)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> CodiCheckpoint:
    folder: Path = tmp_path_factory.mktemp("codi")
    weights = write_state(folder / "weights", plain_state("llama"))
    return CodiCheckpoint(weights, write_base(folder / "base", "llama"))


@pytest.fixture
def model(folders: CodiCheckpoint) -> Iterator[CodiModel]:
    with load_codi(folders, device="cpu") as loaded:
        yield loaded


@contextmanager
def watched(model: CodiModel) -> Iterator[list[tuple[int, int]]]:
    """Rows and tokens of every pass, as it is made."""
    passes: list[tuple[int, int]] = []

    def note(module: Any, given: Any, options: dict[str, Any]) -> None:
        inputs = options.get("input_ids")
        passes.append(tuple((options["inputs_embeds"] if inputs is None else inputs).shape[:2]))

    hook = model.model.base_model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield passes
    finally:
        hook.remove()


@contextmanager
def little_memory(model: CodiModel, n_tokens: int) -> Iterator[None]:
    """Memory for a pass over so many tokens, padding included."""

    def refuse(module: Any, given: Any, options: dict[str, Any]) -> None:
        inputs = options.get("input_ids")
        if inputs is not None and inputs.numel() > n_tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    hook = model.model.base_model.register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def ids_of(entries: list[CodiComparison | QuarryError]) -> list[str | type[QuarryError]]:
    return [one.id if isinstance(one, CodiComparison) else type(one) for one in entries]


def test_a_question_is_processed_once_and_rows_leave_as_they_end(model: CodiModel) -> None:
    with watched(model) as passes:
        results = model.compare(PROBLEMS, SETTINGS)
    lengths = [
        len(ids)
        for one in results
        if isinstance(one, CodiComparison)
        for ids in (one.baseline_ids, one.ablated_ids)
    ]
    longest = max(len(model.tokenizer(text)["input_ids"]) for _, text in PROBLEMS)
    read, thoughts, answers = passes[0], passes[1:7], passes[7:]
    assert read[0] == len(PROBLEMS)
    assert read[1] <= longest + 1
    assert thoughts == [(2 * len(PROBLEMS), 1)] * 6
    assert answers == [
        (sum(length > step for length in lengths), 1) for step in range(max(lengths))
    ]
    assert len(set(lengths)) > 1, "rows must end at different times"


def test_the_begin_of_thought_token_may_be_a_slot(model: CodiModel) -> None:
    with watched(model) as paper:
        model.compare(PROBLEMS[:1], SETTINGS)
    with watched(model) as in_slots:
        model.compare(PROBLEMS[:1], CodiSettings("bot_in_slots", max_new_tokens=8))
    assert paper[0][1] == in_slots[0][1] + 1
    assert paper[1:7] == in_slots[1:7] == [(2, 1)] * 6


def test_batches_hold_questions_of_like_length(model: CodiModel) -> None:
    """Unsorted, each of these batches of two would be as long as the longest question."""
    problems = [(f"{name}_{turn}", text) for turn in range(2) for name, text in PROBLEMS]
    with watched(model) as passes:
        results = model.compare(problems, SETTINGS, batch_size=2)
    assert ids_of(results) == [name for name, _ in problems]
    read = [n_tokens for rows, n_tokens in passes if n_tokens > 1]
    lengths = {len(model.tokenizer(" ".join(text.split()))["input_ids"]) for _, text in PROBLEMS}
    assert sorted(read) == sorted(length + 1 for length in lengths)


def test_an_answer_never_holds_the_end_of_thought_token(folders: CodiCheckpoint) -> None:
    with load_codi(folders, device="cpu") as model:
        with torch.no_grad():
            output: Any = model.model.get_output_embeddings()
            usual = model.compare(PROBLEMS, SETTINGS)
            assert isinstance(usual[0], CodiComparison)
            # Now it is as likely as the likeliest token of any answer, and a little more.
            likely = usual[0].baseline_ids[0]
            output.weight[model.tokens.eot] = 1.001 * output.weight[likely]
        results = model.compare(PROBLEMS, SETTINGS)
    assert ids_of(results) == [name for name, _ in PROBLEMS]
    for one in results:
        assert isinstance(one, CodiComparison)
        assert model.tokens.eot not in {*one.baseline_ids, *one.ablated_ids}
    assert results == usual


def test_texts_are_the_tokens_without_the_one_that_ends_them(model: CodiModel) -> None:
    results = model.compare(PROBLEMS, SETTINGS)
    complete = 0
    for one in results:
        assert isinstance(one, CodiComparison)
        ids = list(one.baseline_ids)
        assert one.is_baseline_complete == (ids[-1] in model.tokens.ends)
        assert one.is_baseline_complete or len(ids) == SETTINGS.max_new_tokens
        kept = ids[:-1] if one.is_baseline_complete else ids
        assert one.baseline == model.tokenizer.decode(kept, skip_special_tokens=True)
        assert one.n_tokens == len(ids) + len(one.ablated_ids)
        complete += one.is_baseline_complete + one.is_ablated_complete
    assert 0 < complete < 2 * len(PROBLEMS)


def test_what_is_wrong_with_one_problem_loses_no_other(model: CodiModel) -> None:
    problems = [PROBLEMS[0], LONG, PROBLEMS[1], ("empty", "  "), *PROBLEMS[2:]]
    results = model.compare(problems, SETTINGS)
    assert isinstance(results[1], PromptTooLongError)
    assert f"got: {CONTEXT_LENGTH} tokens" in str(results[1])
    assert isinstance(results[3], UsageError)
    rest = [one for place, one in enumerate(results) if place not in (1, 3)]
    assert rest == model.compare(PROBLEMS, SETTINGS)


def test_a_question_may_fill_the_context_to_the_last_token(model: CodiModel) -> None:
    """One bot, six thoughts, one end of thought; the last token of an answer is never read."""
    room = CONTEXT_LENGTH - 1 - 6 - 1 - (SETTINGS.max_new_tokens - 1)
    with watched(model) as passes:
        (fits,) = model.compare([("fits", "x" * room)], SETTINGS)
        (over,) = model.compare([("over", "x" * (room + 1))], SETTINGS)
    assert isinstance(fits, CodiComparison)
    assert isinstance(over, PromptTooLongError)
    assert passes[0] == (1, room + 1)


def test_a_batch_that_does_not_fit_is_halved_and_nothing_changes(model: CodiModel) -> None:
    expected = model.compare(PROBLEMS, SETTINGS)
    longest = 1 + max(len(model.tokenizer(text)["input_ids"]) for _, text in PROBLEMS)
    with little_memory(model, 2 * longest):
        results = model.compare(PROBLEMS, SETTINGS, batch_size=16)
    assert results == expected
    assert "going on with 2" in model.usage.remarks[-1]
    with watched(model) as passes:
        model.compare(PROBLEMS, SETTINGS, batch_size=16)
    assert max(rows for rows, n_tokens in passes if n_tokens > 1) == 2, "it stays halved"


def test_a_problem_that_does_not_fit_alone_loses_no_other(model: CodiModel) -> None:
    expected = model.compare(PROBLEMS, SETTINGS)
    lengths = [len(model.tokenizer(" ".join(text.split()))["input_ids"]) for _, text in PROBLEMS]
    longest = lengths.index(max(lengths))
    with little_memory(model, max(lengths)):
        results = model.compare(PROBLEMS, SETTINGS)
    assert isinstance(results[longest], EngineMemoryError)
    del results[longest], expected[longest]
    assert results == expected


def test_an_answer_that_is_not_finite_is_no_answer(model: CodiModel) -> None:
    settings = CodiSettings(max_new_tokens=8, ablation=Ablation("mean"))
    reference = model.reference(PROBLEMS, settings)
    expected = model.compare(PROBLEMS, settings, reference)
    reference.states[0, 0, 0, 0] = float("inf")
    shuffled = CodiSettings(max_new_tokens=8, ablation=Ablation("shuffle"))
    results = model.compare(PROBLEMS, shuffled, reference)
    broken = [
        place for place, (name, _) in enumerate(PROBLEMS) if reference.donor(name, seed=0) == 0
    ]
    assert broken, "someone must be lent the infinite state"
    for place, result in enumerate(results):
        if place in broken:
            assert isinstance(result, IntegrityError)
            assert "ablated run" in str(result)
            continue
        usual = expected[place]
        assert isinstance(result, CodiComparison)
        assert isinstance(usual, CodiComparison)
        assert result.baseline_ids == usual.baseline_ids


def test_reference_problems_that_do_not_fit_are_left_out(model: CodiModel) -> None:
    settings = CodiSettings(ablation=Ablation("mean", "all"))
    reference = model.reference([PROBLEMS[0], LONG, PROBLEMS[3]], settings)
    assert reference.ids == (PROBLEMS[0][0], PROBLEMS[3][0])
    assert reference.states.shape == (2, 6, model.n_layers, model.d_model)
    for problems in ([LONG], [PROBLEMS[0], PROBLEMS[0]]):
        with pytest.raises(UsageError, match="Reference problems can't be used"):
            model.reference(problems, settings)


def test_a_call_without_problems_has_no_results(model: CodiModel) -> None:
    assert model.compare([], SETTINGS) == []


def test_an_empty_batch_is_refused(model: CodiModel) -> None:
    with pytest.raises(UsageError, match="batch can't be empty"):
        model.compare(PROBLEMS, SETTINGS, batch_size=0)


def test_a_closed_model_says_so(folders: CodiCheckpoint) -> None:
    model = load_codi(folders, device="cpu")
    model.close()
    model.close()
    with pytest.raises(UsageError, match="after it was closed"):
        model.compare(PROBLEMS, SETTINGS)


def test_time_and_memory_are_counted(model: CodiModel) -> None:
    before = model.usage
    model.compare(PROBLEMS, SETTINGS)
    used = model.usage
    assert used.start_s > 0
    assert used.run_s > before.run_s
    assert used.peak_memory_bytes > 0
    assert used.n_devices == 0


def test_questions_of_like_length_are_read_together() -> None:
    lengths = [100] * 9 + [90] * 3 + [50] * 8 + [49, 20, 10]
    groups = like_lengths([[0] * length for length in lengths])
    assert [len(question) for group in groups for question in group] == lengths
    assert [len(group) for group in groups] == [12, 9, 2]
    assert like_lengths([[1]]) == [[[1]]]


def test_groups_of_questions_become_one_batch(model: CodiModel) -> None:
    problems = [(f"{name}_{turn}", text) for turn in range(9) for name, text in PROBLEMS]
    with watched(model) as passes:
        together = model.compare(problems, SETTINGS, batch_size=64)
    read = [n_rows for n_rows, n_tokens in passes if n_tokens > 1]
    assert len(read) > 2
    assert sum(read) == len(problems)
    assert passes[len(read)] == (2 * len(problems), 1)
    assert together == model.compare(problems, SETTINGS, batch_size=4)

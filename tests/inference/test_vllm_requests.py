"""Room for every request in its slot, seeds that follow from names alone, and no missing row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.errors import IntegrityError
from quarry.inference.checkpoint_engine import Request
from quarry.inference.engine import CaptureSpec, GenerationParameters, Scope
from quarry.inference.host.spool import MOST_SLOTS
from quarry.inference.vllm_requests import (
    StatesLayout,
    completion_seed,
    layout_of,
    require_rows,
    submission_of,
    window_size,
)

scopes = st.sampled_from(["prompt", "output", "prompt+output"])


def request(n_prompt: int, sample_id: str = "toy/0", k: int = 0) -> Request:
    return Request(0, k, sample_id, "", [1] * n_prompt)


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=30),
    max_new_tokens=st.integers(1, 40),
    scope=scopes,
    batch_size=st.integers(1, 64),
    n_slots=st.integers(1, 100),
)
def test_every_request_of_a_window_has_room_of_its_own(
    lengths: list[int], max_new_tokens: int, scope: Scope, batch_size: int, n_slots: int
) -> None:
    requests = [request(length) for length in lengths]
    parameters = GenerationParameters(max_new_tokens)
    layout = layout_of(requests, parameters, CaptureSpec((3, 1), scope), (0, 1, 3), 8)
    arena_bytes = n_slots * layout.slot_bytes + layout.slot_bytes // 2
    window = window_size(batch_size, layout, arena_bytes)
    assert 1 <= window <= min(n_slots, MOST_SLOTS)
    for slot in range(window):
        one = requests[slot % len(requests)]
        order = layout.order(slot, len(one.prompt_ids), max_new_tokens)
        n_bytes = (order.stop - order.start) * len(layout.captured) * 8 * 2
        assert order.offset_bytes >= slot * layout.slot_bytes
        assert order.offset_bytes + n_bytes <= min((slot + 1) * layout.slot_bytes, arena_bytes)


@given(st.integers(1, 50), st.integers(1, 50), scopes)
def test_the_rows_of_a_request_are_the_tokens_of_its_scope(
    n_prompt: int, n_output: int, scope: Scope
) -> None:
    layout = StatesLayout((0,), (0,), scope, 4, most_rows=100)
    rows = range(layout.first_row(n_prompt), layout.end_row(n_prompt, n_output))
    wanted = {
        "prompt": range(n_prompt),
        "output": range(n_prompt, n_prompt + n_output),
        "prompt+output": range(n_prompt + n_output),
    }
    assert rows == wanted[scope]


def test_columns_follow_the_order_that_was_asked_for() -> None:
    assert StatesLayout((0, 2, 5), (5, 0), "prompt", 4, 10).columns == [2, 0]


@pytest.mark.parametrize(("batch_size", "window"), [(1, 4), (16, 64), (10_000, MOST_SLOTS)])
def test_without_capture_the_window_follows_the_batch(batch_size: int, window: int) -> None:
    assert window_size(batch_size, None, 0) == window


@given(st.integers(), st.text(), st.integers(0, 1000))
def test_a_seed_fits_vllm_and_follows_from_its_name(seed: int, sample_id: str, k: int) -> None:
    one = completion_seed(seed, request(3, sample_id, k))
    assert 0 <= one < 1 << 63
    assert one == completion_seed(seed, Request(9, k, sample_id, "other", [2]))


def test_seeds_of_neighbours_all_differ() -> None:
    seeds = {
        completion_seed(seed, request(1, f"toy/{sample}", k))
        for seed in range(10)
        for sample in range(10)
        for k in range(10)
    }
    assert len(seeds) == 1000


def test_a_greedy_request_has_no_seed_and_a_sampled_one_its_own() -> None:
    greedy = submission_of(4, request(2), GenerationParameters(8), [0], None)
    hot = submission_of(4, request(2), GenerationParameters(8, temperature=1.0), [0], None)
    assert greedy.seed is None
    assert hot.seed == completion_seed(0, request(2))
    assert (greedy.id, greedy.end_ids, greedy.capture) == (4, (0,), None)


def test_missing_rows_are_refused_and_name_the_sample() -> None:
    require_rows(request(3), 5, 5)
    with pytest.raises(IntegrityError, match="toy/7") as caught:
        require_rows(request(3, "toy/7", 2), 5, 4)
    (finding,) = caught.value.findings
    assert (finding.sample_id, finding.expected, finding.got) == ("toy/7", "5 states", "4")
    assert "completion 2" in finding.where

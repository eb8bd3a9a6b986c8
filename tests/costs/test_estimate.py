"""Estimates, computed by hand; and what holds for all of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.costs.estimate import MOST_RUNS, CostEstimates, Missing, catalog_default
from quarry.costs.record import CostRecord
from quarry.costs.span import Span
from quarry.keys import TrajectoryKey
from tests.costs.records import KEY, catalog, history, record

EIGHT_SHOT = TrajectoryKey("small", "gsm8k", 8)
OTHER_TASK = TrajectoryKey("small", "logiqa", 0)
OTHER_MODEL = TrajectoryKey("large", "gsm8k", 0)
NEITHER = TrajectoryKey("large", "logiqa", 8)


def estimates(*records: CostRecord) -> CostEstimates:
    return CostEstimates(catalog(), history(*records))


def spanned(low: float, likely: float, high: float) -> object:
    return pytest.approx((low, likely, high))


def ends(span: Span | None) -> tuple[float, float, float]:
    assert span is not None
    return span.low, span.likely, span.high


def test_nothing_measured_gives_the_catalogs_hours():
    found = estimates().of(KEY)
    assert (found.source, found.basis) == ("catalog", "catalog default")
    assert ends(found.gpu_hours) == (1.5, 1.5, 1.5)
    assert ends(found.wall_hours) == (1.5, 1.5, 1.5)


def test_the_catalogs_hours_are_shared_by_the_devices_of_a_model():
    found = estimates().of(OTHER_MODEL)
    assert ends(found.gpu_hours) == (1.5, 1.5, 1.5)
    assert ends(found.wall_hours) == (0.75, 0.75, 0.75)


def test_a_catalog_that_counts_no_gpu_says_nothing_of_the_time():
    assert catalog_default(0.0).wall_hours is None


def test_one_run_of_the_cell_is_told_again_with_the_engines_start():
    found = estimates(record()).of(KEY)
    assert (found.source, found.basis) == ("cell", "1 earlier run of this cell")
    assert ends(found.gpu_hours) == spanned(1.01, 1.01, 1.01)
    assert found.wall_hours == found.gpu_hours


def test_runs_are_pooled_and_their_range_is_that_of_single_runs():
    # 36, 18 and 54 s a sample; together 100 + 200 + 100 samples in 3600 + 3600 + 5400 s
    runs = [record(), record(n_samples=200), record(run_s=5400.0)]
    found = estimates(*(runs)).of(KEY)
    assert found.basis == "3 earlier runs of this cell"
    assert ends(found.gpu_hours) == spanned(0.51, 12600 / 400 * 100 / 3600 + 0.01, 1.51)


def test_an_attempt_that_was_cut_off_early_tells_no_rate():
    # of 64 samples under way, the first was handed out when the reading was taken
    cut = {"outcome": "running", "run_s": 90.0, "n_samples": 1}
    assert estimates(record(**cut)).of(KEY).source == "catalog"
    assert estimates(record(), record(**cut)).of(KEY) == estimates(record()).of(KEY)
    late = record(outcome="failed", n_samples=400, run_s=4 * 3600.0)
    assert estimates(late).of(KEY).source == "cell"


def test_a_run_on_two_gpus_counts_both():
    found = estimates(record(n_devices=2)).of(KEY)
    assert ends(found.gpu_hours) == spanned(2.02, 2.02, 2.02)
    assert ends(found.wall_hours) == spanned(1.01, 1.01, 1.01)


def test_only_missing_samples_cost():
    found = estimates(record(start_s=0.0)).of(KEY, Missing(25, 100))
    assert ends(found.gpu_hours) == spanned(0.25, 0.25, 0.25)
    assert found.basis == "1 earlier run of this cell, 75 of 100 samples are there"
    assert estimates().of(KEY, Missing(25, 100)).gpu_hours.likely == 0.375


def test_another_shot_setting_of_the_model_and_task_comes_next():
    found = estimates(record(), record(model="large", n_shot=8, run_s=9.0)).of(EIGHT_SHOT)
    assert (found.source, found.gpu_hours.likely) == ("model and task", pytest.approx(1.01))


def test_the_same_model_is_told_by_tokens_as_other_models_had_on_the_task():
    # 3600 s for 5,000 tokens; the other model wrote 20 tokens a sample on logiqa
    other = record(model="large", task="logiqa", n_samples=50, output_tokens=1000, start_s=0.0)
    found = estimates(other, record(start_s=0.0)).of(OTHER_TASK)
    assert (found.source, found.basis) == ("model", "1 earlier run of this model, by the token")
    assert ends(found.gpu_hours) == spanned(0.4, 0.4, 0.4)


def test_a_task_that_nobody_ran_costs_up_to_its_limit_of_tokens():
    found = estimates(record(start_s=0.0)).of(OTHER_TASK)
    assert ends(found.gpu_hours) == spanned(1.0, 1.0, 512 / 50)


def test_another_limit_of_tokens_is_told_by_tokens():
    found = estimates(record(max_new_tokens=64)).of(KEY)
    assert found.source == "model"


def test_other_models_on_the_task_come_before_the_catalog():
    runs = [record(start_s=0.0), record(start_s=0.0, n_shot=8, run_s=7200.0)]
    found = estimates(*runs).of(OTHER_MODEL)
    assert (found.source, found.basis) == ("task", "2 earlier runs of other models on this task")
    assert ends(found.gpu_hours) == spanned(1.0, 1.5, 2.0)
    assert estimates(record(task="gsm8k")).of(NEITHER).source == "catalog"


def test_on_a_cpu_there_are_no_gpu_hours():
    found = estimates(record(n_devices=0, device="cpu")).of(KEY)
    assert ends(found.gpu_hours) == (0.0, 0.0, 0.0)
    assert ends(found.wall_hours) == spanned(1.01, 1.01, 1.01)


def test_runs_on_a_cpu_tell_nothing_of_a_gpu_and_the_other_way_round():
    slow = record(n_devices=0, device="cpu", run_s=360_000.0)
    assert estimates(slow, record()).of(KEY).gpu_hours.likely == pytest.approx(1.01)
    gpu = record()
    on_cpu = [record(n_devices=0, device="cpu", model="large") for _ in range(MOST_RUNS)]
    assert estimates(gpu, on_cpu[0]).of(KEY).source == "cell"  # one try on the CPU is none
    assert estimates(gpu, *on_cpu).of(KEY).source == "task"


def test_runs_of_the_engine_and_the_device_in_use_are_preferred():
    slow = record(engine="transformers", run_s=36_000.0)
    assert estimates(slow, record()).of(KEY).gpu_hours.likely == pytest.approx(1.01)
    assert estimates(slow).of(KEY).gpu_hours.likely == pytest.approx(10.01)
    older = record(device="NVIDIA T4", run_s=7200.0)
    assert estimates(older, record()).of(KEY).gpu_hours.likely == pytest.approx(1.01)


def test_a_few_samples_tell_nothing_beside_many():
    tiny = record(n_samples=1, run_s=3600.0)
    assert estimates(record(), tiny).of(KEY).gpu_hours.high == pytest.approx(1.01)
    assert estimates(tiny).of(KEY).gpu_hours.high == pytest.approx(100.01)


def test_only_the_latest_runs_count():
    slow, latest = record(run_s=36_000.0), [record() for _ in range(MOST_RUNS)]
    assert estimates(slow, *latest[1:]).of(KEY).gpu_hours.high == pytest.approx(10.01)
    assert estimates(slow, *latest).of(KEY).gpu_hours.high == pytest.approx(1.01)


@pytest.mark.parametrize("changes", [{"n_samples": 0}, {"run_s": 0.0}], ids=str)
def test_an_attempt_without_a_sample_has_no_rate(changes: dict[str, float]):
    assert estimates(record(**changes)).of(KEY).source == "catalog"


RECORDS = st.lists(
    st.builds(
        record,
        model=st.sampled_from(["small", "large", "gone"]),
        task=st.sampled_from(["gsm8k", "logiqa", "gone"]),
        n_shot=st.sampled_from([0, 8]),
        n_samples=st.integers(0, 10**6),
        output_tokens=st.integers(0, 10**9),
        run_s=st.floats(0, 1e7),
        start_s=st.floats(0, 1e4),
        n_devices=st.integers(0, 8),
        device=st.sampled_from(["cpu", "NVIDIA H200"]),
        engine=st.sampled_from(["vllm", "transformers"]),
        max_new_tokens=st.sampled_from([0, 64, 512]),
    ),
    max_size=8,
)
CELLS = st.sampled_from([KEY, EIGHT_SHOT, OTHER_TASK, OTHER_MODEL, NEITHER])


@settings(deadline=None)
@given(RECORDS, CELLS, st.integers(0, 100), st.integers(0, 100))
def test_more_samples_never_cost_less_and_the_likely_lies_within_its_range(
    records: list[CostRecord], key: TrajectoryKey, some: int, more: int
):
    found = estimates(*records)
    few, many = sorted((some, more))
    less, full = found.of(key, Missing(few, 100)), found.of(key, Missing(many, 100))
    for small, large in ((less.gpu_hours, full.gpu_hours), (less.wall_hours, full.wall_hours)):
        if small is None or large is None:
            assert small is large
            continue
        slack = 1 + 1e-9
        assert all(a <= b * slack for a, b in zip(ends(small), ends(large), strict=True))
        for span in (small, large):
            assert 0 <= span.low <= span.likely * slack <= span.high * slack * slack


@settings(deadline=None)
@given(RECORDS, CELLS)
def test_the_order_of_the_log_does_not_matter(records: list[CostRecord], key: TrajectoryKey):
    assert estimates(*records).of(key) == estimates(*records[::-1]).of(key)

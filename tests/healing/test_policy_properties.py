"""What holds for every grid and every past: sound actions, budgets, an end."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.catalog import HealSettings
from quarry.healing.health import Action, Attempt, CellHealth, Copy, Local, Outcome
from quarry.healing.plan import HealStep
from quarry.healing.policy import plan_healing
from quarry.keys import TrajectoryKey

NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
TASKS = [f"task{number}" for number in range(8)]
MOMENTS = st.integers(0, 60 * 24 * 40).map(lambda minutes: NOW - timedelta(minutes=minutes))
SETTINGS = st.builds(
    HealSettings,
    bytes_per_day=st.sampled_from(["10B", "100B", "1KB", "50%"]),
    gpu_hours_per_day=st.sampled_from([0.0, 1.0, 4.0, 50.0]),
    most_failures=st.integers(1, 4),
    backoff_minutes=st.sampled_from([1.0, 10.0, 300.0]),
)


def key_of(task: str) -> TrajectoryKey:
    return TrajectoryKey("demo_base", task, 0)


@st.composite
def grids(draw: st.DrawFn) -> list[CellHealth]:
    return [
        CellHealth(
            key_of(task),
            draw(st.sampled_from(get_args(Local))),
            draw(st.sampled_from(get_args(Copy))),
            draw(st.booleans()),
            draw(st.booleans()),
            draw(st.integers(0, 150)),
            draw(st.sampled_from([0.0, 0.5, 1.0, 3.0, 20.0])),
            "why",
            draw(st.none() | MOMENTS),
        )
        for task in draw(st.lists(st.sampled_from(TASKS), unique=True))
    ]


@st.composite
def attempts(draw: st.DrawFn) -> Attempt:
    started = draw(MOMENTS)
    outcome = draw(st.sampled_from(get_args(Outcome)))
    ended = None if outcome == "running" else started + timedelta(minutes=draw(st.integers(0, 90)))
    return Attempt(
        key_of(draw(st.sampled_from(TASKS))).partition,
        draw(st.sampled_from(get_args(Action))),
        started,
        ended,
        outcome,
        draw(st.integers(0, 150)),
        draw(st.sampled_from([0.0, 0.5, 3.0])),
    )


PASTS = st.lists(attempts(), max_size=12)


@settings(derandomize=True, deadline=None)
@given(grids(), PASTS, SETTINGS)
def test_every_cell_is_accounted_for_and_only_sound_actions_are_chosen(
    cells: list[CellHealth], past: list[Attempt], limits: HealSettings
) -> None:
    plan = plan_healing(cells, past, limits, NOW)
    told = [one.key for one in (*plan.steps, *plan.waiting, *plan.stopped)]
    assert len(set(told)) == len(told)
    assert len(told) + sum(plan.idle.values()) == len(cells)
    by_key = {cell.key: cell for cell in cells}
    for step in plan.steps:
        cell = by_key[step.key]
        if step.action == "upload":
            assert cell.local == "sound"
        else:
            assert cell.local in {"damaged", "missing", "failed"}
        if step.action == "recollect":
            is_refuted = cell.is_copy_refuted or step.is_copy_refuted
            assert is_refuted or cell.copy in {"missing", "absent"}
            assert cell.local == "missing" or not cell.is_lone
        is_running = [one for one in past if one.outcome == "running"]
        assert step.key.partition not in {one.partition for one in is_running}
    assert plan.explanation()
    assert plan.as_dict()


@settings(derandomize=True, deadline=None)
@given(grids(), PASTS, SETTINGS, st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_what_it_is_made_of(
    cells: list[CellHealth], past: list[Attempt], limits: HealSettings, rng: random.Random
) -> None:
    mixed_cells, mixed_past = list(cells), list(past)
    rng.shuffle(mixed_cells)
    rng.shuffle(mixed_past)
    assert plan_healing(cells, past, limits, NOW) == plan_healing(
        mixed_cells, mixed_past, limits, NOW
    )


@settings(derandomize=True, deadline=None)
@given(grids(), PASTS, SETTINGS)
def test_no_budget_is_exceeded_but_by_one_large_step_that_is_alone(
    cells: list[CellHealth], past: list[Attempt], limits: HealSettings
) -> None:
    plan = plan_healing(cells, past, limits, NOW)
    for limit, spent, costs in (
        (plan.bytes_per_day, plan.spent_bytes, [step.size_bytes for step in plan.steps]),
        (plan.gpu_hours_per_day, plan.spent_gpu_hours, [step.gpu_hours for step in plan.steps]),
    ):
        paid = [cost for cost in costs if cost]
        is_within = spent + sum(paid) <= limit
        is_alone = len(paid) == 1 and not spent and limit > 0
        assert not paid or is_within or is_alone


def run_step(step: HealStep, started: datetime, outcome: Outcome) -> Attempt:
    return Attempt(
        step.key.partition,
        step.action,
        started,
        started + timedelta(minutes=5),
        outcome,
        step.size_bytes,
        step.gpu_hours,
    )


@settings(max_examples=15, derandomize=True, deadline=None)
@given(grids(), SETTINGS, st.sampled_from(["failed", "copy_unusable"]))
def test_cells_that_always_fail_are_tried_a_bounded_number_of_times(
    cells: list[CellHealth], limits: HealSettings, outcome: Outcome
) -> None:
    past: list[Attempt] = []
    for tick in range(300):
        now = NOW + tick * timedelta(hours=3)
        past += [
            run_step(one, now, outcome) for one in plan_healing(cells, past, limits, now).steps
        ]
    tried = Counter(one.partition for one in past)
    # One more where the copy proves unusable, which is no failure.
    assert max(tried.values(), default=0) <= limits.most_failures + 1
    assert not plan_healing(cells, past, limits, NOW + timedelta(days=60)).steps


@settings(max_examples=15, derandomize=True, deadline=None)
@given(grids(), SETTINGS)
def test_gpu_hours_for_cells_that_stay_broken_after_every_success_are_bounded(
    cells: list[CellHealth], limits: HealSettings
) -> None:
    past: list[Attempt] = []
    for tick in range(8 * 29):
        now = NOW + tick * timedelta(hours=3)
        past += [
            run_step(one, now, "healed") for one in plan_healing(cells, past, limits, now).steps
        ]
    tried = Counter(one.partition for one in past if one.action != "upload")
    assert max(tried.values(), default=0) <= limits.most_failures
    uploads = Counter((one.partition, one.started_at.date()) for one in past)
    assert max(uploads.values(), default=0) <= 8


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 6))
def test_a_large_step_is_not_starved_by_small_ones_that_keep_coming(n_small: int) -> None:
    limits, past = HealSettings(gpu_hours_per_day=4, most_failures=1), list[Attempt]()
    large = CellHealth(key_of("large"), "damaged", "absent", gpu_hours=20)
    for day in range(4):
        small = [
            CellHealth(key_of(f"d{day}n{number}"), "damaged", "absent", gpu_hours=1)
            for number in range(n_small)
        ]
        for hour in range(0, 24, 4):
            now = NOW.replace(hour=0, minute=0) + timedelta(days=day, hours=hour)
            plan = plan_healing([*small, large], past, limits, now)
            past += [run_step(one, now, "healed") for one in plan.steps]
    assert large.key.partition in {one.partition for one in past}
    per_day: dict[object, list[float]] = defaultdict(list)
    for one in past:
        per_day[one.started_at.date()].append(one.gpu_hours)
    assert all(sum(costs) <= 4 or len(costs) == 1 for costs in per_day.values())

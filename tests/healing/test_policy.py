"""Which action is due for a cell, when, and what the plan says about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from quarry.catalog import HealSettings
from quarry.healing.health import Action, Attempt, CellHealth, Copy, Local, Outcome
from quarry.healing.plan import HealPlan
from quarry.healing.policy import plan_healing
from quarry.keys import TrajectoryKey

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
KEY = TrajectoryKey("demo_base", "gsm8k", 0)
GB = 10**9
SETTINGS = HealSettings()


def cell(local: Local, copy: Copy, task: str = "gsm8k", **changes: object) -> CellHealth:
    values = {"size_bytes": 6 * GB, "gpu_hours": 1.5} | changes
    return CellHealth(TrajectoryKey("demo_base", task, 0), local, copy, **values)  # type: ignore[arg-type]


def attempt(
    outcome: Outcome,
    minutes_ago: float,
    action: Action = "recollect",
    key: TrajectoryKey = KEY,
    **changes: object,
) -> Attempt:
    started = NOW - timedelta(minutes=minutes_ago)
    ended = None if outcome == "running" else started
    return Attempt(key.partition, action, started, ended, outcome, **changes)  # type: ignore[arg-type]


def actions(plan: HealPlan) -> list[tuple[str, str]]:
    return [(step.action, step.key.task) for step in plan.steps]


def action_for(one: CellHealth, *history: Attempt, settings: HealSettings = SETTINGS) -> str | None:
    """The action that is due at once for one cell."""
    found = actions(plan_healing([one], history, settings, NOW))
    return found[0][0] if found else None


@pytest.mark.parametrize(
    ("local", "copy", "due"),
    [
        ("sound", "matching", None),
        ("sound", "missing", "upload"),
        ("sound", "different", "upload"),
        ("sound", "absent", None),  # there is no store at all
        ("sound", "unknown", None),
        ("damaged", "matching", "restore"),
        ("damaged", "different", "restore"),
        ("damaged", "remote_only", "restore"),
        ("damaged", "missing", "restore"),  # it may prove itself, or lie in another place
        ("damaged", "absent", "recollect"),
        ("damaged", "unknown", None),
        ("missing", "remote_only", "restore"),
        ("missing", "absent", "recollect"),
        ("missing", "unknown", None),
        ("failed", "matching", "restore"),
        ("failed", "missing", "restore"),  # a file is here: it may be whole
        ("failed", "remote_only", "restore"),
        ("failed", "absent", "recollect"),
        ("unverified", "missing", None),
    ],
)
def test_the_cheapest_sound_action_is_chosen(local: Local, copy: Copy, due: str | None) -> None:
    assert action_for(cell(local, copy)) == due


@pytest.mark.parametrize(
    ("local", "copy", "due"),
    [
        ("sound", "matching", "upload"),
        ("damaged", "matching", "recollect"),
        ("missing", "remote_only", "recollect"),
        ("failed", "remote_only", "recollect"),
        ("failed", "matching", "restore"),
    ],
)
def test_a_copy_that_proved_unusable_is_not_restored(local: Local, copy: Copy, due: str) -> None:
    plan = plan_healing([cell(local, copy, is_copy_refuted=True)], [], SETTINGS, NOW)
    [step] = plan.steps
    assert step.action == due
    assert step.is_copy_refuted
    if due == "recollect":
        assert step.ruled_out == ("restore: the copy in the store proved unusable",)


def test_an_unusable_copy_moves_to_the_next_rung_at_once_and_is_not_asked_again() -> None:
    one = cell("damaged", "matching")
    tried = attempt("copy_unusable", 1, "restore")
    assert action_for(one, tried) == "recollect"
    failed = attempt("failed", 700)
    assert action_for(one, attempt("copy_unusable", 800, "restore"), failed) == "recollect"
    assert action_for(one, tried, settings=HealSettings(most_failures=1)) == "recollect"


def test_a_copy_is_asked_again_once_the_cell_was_whole_or_a_person_cleared_it() -> None:
    one, tried = cell("damaged", "matching"), attempt("copy_unusable", 60, "restore")
    assert action_for(one, tried, attempt("cleared", 1)) == "restore"
    assert action_for(one, attempt("copy_unusable", 99_000, "restore"), attempt("healed", 90_000))
    good = cell("damaged", "matching", last_good_at=NOW - timedelta(minutes=30))
    assert action_for(good, tried) == "restore"


def test_nothing_takes_the_place_of_a_file_that_may_be_the_only_good_one() -> None:
    lone, tried = cell("damaged", "missing", is_lone=True), attempt("copy_unusable", 1, "restore")
    plan = plan_healing([lone], [tried], SETTINGS, NOW)
    assert not plan.steps
    assert "only good version" in plan.waiting[0].why
    assert action_for(cell("failed", "missing", is_lone=True)) == "restore"


def test_a_running_cell_is_left_alone_and_does_not_hold_up_others() -> None:
    cells = [cell("damaged", "matching"), cell("damaged", "matching", "mbpp")]
    plan = plan_healing(cells, [attempt("running", 600, "restore")], SETTINGS, NOW)
    assert actions(plan) == [("restore", "mbpp")]
    assert plan.idle["running"] == 1


@pytest.mark.parametrize(("n_failures", "minutes"), [(1, 10), (2, 20), (3, 40), (9, 24 * 60)])
def test_the_rest_doubles_with_each_failure_up_to_a_day(n_failures: int, minutes: int) -> None:
    settings, one = HealSettings(most_failures=99), cell("damaged", "absent")
    for ago, is_due in ((minutes - 1, False), (minutes + 1, True)):
        history = [attempt("failed", ago + 100 * number) for number in range(n_failures)]
        plan = plan_healing([one], history, settings, NOW)
        assert bool(plan.steps) == is_due
    [wait] = plan_healing([one], [attempt("failed", 4)], settings, NOW).waiting
    assert wait.until == NOW + timedelta(minutes=6)
    assert "resting after recollect on 2026-03-04 11:56 (failed)" in wait.why


def test_a_cell_is_given_up_after_failures_in_a_row_until_it_is_whole_or_cleared() -> None:
    one = cell("damaged", "absent", why="chunks_intact failed")
    history = [attempt("failed", 5000 + number, error=f"fault {number}") for number in (3, 2, 1)]
    plan = plan_healing([one], history, SETTINGS, NOW)
    assert not plan.steps
    [stop] = plan.stopped
    assert stop.why.startswith("3 attempts in a row failed: the file here is damaged")
    assert stop.last_error == "fault 1"
    assert len(stop.tried) == 3
    assert "clear the cell" in stop.what_to_do
    assert action_for(one, *history[:2]) == "recollect"
    assert action_for(one, *history, attempt("cleared", 1)) == "recollect"
    good = cell("damaged", "absent", last_good_at=NOW - timedelta(days=1))
    assert action_for(good, *history) == "recollect"


def test_a_cell_that_is_healed_again_and_again_is_given_up_too() -> None:
    healed = [attempt("healed", 60 * 24 * day) for day in (1, 2, 3)]
    one = cell("damaged", "absent", last_good_at=NOW - timedelta(hours=1))
    [stop] = plan_healing([one], healed, SETTINGS, NOW).stopped
    assert "healed 3 times within 30 days" in stop.why
    assert action_for(one, *healed[:2]) == "recollect"
    assert action_for(one, *(attempt("healed", 60 * 24 * day) for day in (1, 2, 31))) == "recollect"
    copied = [attempt("healed", 60 * 24 * day, "upload") for day in (1, 2, 3)]
    assert action_for(one, *copied) == "recollect"
    assert action_for(cell("sound", "different"), *copied) == "upload"


def test_a_success_that_did_not_last_is_not_repeated_at_once() -> None:
    one = cell("sound", "different")
    assert action_for(one, attempt("healed", 2, "upload")) is None
    assert action_for(one, attempt("healed", 2, "recollect")) == "upload"
    assert action_for(one, attempt("healed", 11, "upload")) == "upload"


def test_an_unreachable_store_makes_cells_rest_and_never_gives_them_up() -> None:
    one = cell("damaged", "matching")
    outage = [attempt("unreachable", 30 * number, "restore") for number in range(1, 20)]
    plan = plan_healing([one], outage, SETTINGS, NOW)
    assert (len(plan.waiting), plan.stopped) == (1, ())
    assert action_for(one, attempt("unreachable", 11, "restore")) == "restore"


def test_the_order_is_that_of_the_audit_then_cost_then_name() -> None:
    cells = [
        cell("missing", "absent", "a", gpu_hours=0.5),
        cell("missing", "remote_only", "b"),
        cell("sound", "missing", "c", size_bytes=3 * GB),
        cell("sound", "missing", "d", size_bytes=2 * GB),
        cell("damaged", "absent", "e"),
        cell("damaged", "absent", "f"),
        cell("damaged", "matching", "g"),
        cell("damaged", "absent", "h", gpu_hours=0.5),
    ]
    plan = plan_healing(cells, [], HealSettings(gpu_hours_per_day=99), NOW)
    assert "".join(step.key.task for step in plan.steps) == "ghefdcba"
    assert [step.priority for step in plan.steps] == ["HIGH"] * 4 + ["MEDIUM"] * 2 + ["LOW"] * 2


def test_what_was_spent_today_counts_and_what_was_spent_yesterday_does_not() -> None:
    cells = [cell("damaged", "absent", f"t{number}") for number in range(8)]
    spent = attempt("failed", 60, gpu_hours=4.0, size_bytes=7 * GB)
    yesterday = attempt("failed", 13 * 60, gpu_hours=8.0)
    plan = plan_healing(cells, [spent, yesterday], SETTINGS, NOW)
    assert (len(plan.steps), len(plan.waiting)) == (2, 6)
    assert (plan.spent_gpu_hours, plan.spent_bytes) == (4.0, 7 * GB)
    assert {wait.until for wait in plan.waiting} == {datetime(2026, 3, 5, tzinfo=UTC)}
    assert "no room" in plan.waiting[0].why


def test_bytes_and_gpu_hours_are_budgets_of_their_own() -> None:
    cells = [cell("damaged", "absent", "a"), cell("damaged", "matching", "b")]
    no_gpu = plan_healing(cells, [], HealSettings(gpu_hours_per_day=0), NOW)
    assert actions(no_gpu) == [("restore", "b")]
    assert no_gpu.waiting[0].until is None
    assert "gpu_hours_per_day" in no_gpu.waiting[0].why
    used = attempt("healed", 60, "restore", TrajectoryKey("x", "y", 0), size_bytes=199 * GB)
    assert actions(plan_healing(cells, [used], SETTINGS, NOW)) == [("recollect", "a")]


def test_a_step_above_the_whole_budget_goes_alone_and_before_smaller_ones() -> None:
    small = [cell("damaged", "absent", f"t{number}") for number in range(6)]
    large = cell("damaged", "absent", "large", gpu_hours=20)
    assert actions(plan_healing([*small, large], [], SETTINGS, NOW)) == [("recollect", "large")]
    used = attempt("failed", 60, gpu_hours=1.5, key=small[0].key)
    assert ("recollect", "large") not in actions(
        plan_healing([*small, large], [used], SETTINGS, NOW)
    )
    before = attempt("failed", 24 * 60, gpu_hours=20, key=TrajectoryKey("x", "y", 0))
    assert len(plan_healing([*small, large], [before], SETTINGS, NOW).steps) == 5


def test_a_share_of_all_bytes_is_a_budget_too() -> None:
    cells = [cell("sound", "missing", f"t{number}") for number in range(10)]
    plan = plan_healing(cells, [], HealSettings(bytes_per_day="20%"), NOW)
    assert (len(plan.steps), plan.bytes_per_day) == (2, 12 * GB)


def test_the_plan_explains_itself() -> None:
    cells = [
        cell("damaged", "matching", "a", why="chunks_intact failed", is_copy_refuted=True),
        cell("damaged", "different", "b"),
        cell("sound", "matching", "c"),
        cell("damaged", "unknown", "d"),
        cell("missing", "absent", "gsm8k"),
    ]
    history = [attempt("failed", 9000 + n, error="out of memory") for n in range(3)]
    plan = plan_healing(cells, history, SETTINGS, NOW)
    assert plan.explanation() == "\n".join(
        [
            "2 to do now, 1 waiting, 1 for a person; of the other cells 1 healthy.",
            "Used today: 0 B of 200.0 GB, 0 of 8 GPU hours.",
            "Now, in this order:",
            "  1. HIGH restore b-0shot|demo_base (attempt 1, up to 6.0 GB): the file here is "
            "damaged; the store has another version",
            "  2. HIGH recollect a-0shot|demo_base (attempt 1, up to 1.5 GPU hours): the file here "
            "is damaged (chunks_intact failed); the store has this very file, which proved "
            "unusable; not restore: the copy in the store proved unusable",
            "Waiting:",
            "  nothing yet d-0shot|demo_base: the store could not be asked whether it has a copy",
            "Not tried again before a person has looked:",
            "  gsm8k-0shot|demo_base: 3 attempts in a row failed: there is no file here; the store "
            "has no copy either; not restore: the store has no copy either",
            "    tried: recollect on 2026-02-26 05:58 (failed); recollect on 2026-02-26 05:59 "
            "(failed); recollect on 2026-02-26 06:00 (failed)",
            "    last error: out of memory",
            "    what to do: see the logs of these runs and mend the cause; then run the partition "
            "by hand, or clear the cell so that healing tries again",
        ]
    )
    told = json.loads(json.dumps(plan.as_dict()))
    assert [step["action"] for step in told["steps"]] == ["restore", "recollect"]
    assert told["stopped"][0]["last_error"] == "out of memory"
    assert told["idle"] == {"healthy": 1, "running": 0, "unverified": 0}


def test_every_word_of_the_inventory_is_known() -> None:
    from quarry.storage.inventory import State

    assert set(get_args(State)) - {"orphaned"} <= set(get_args(Copy))

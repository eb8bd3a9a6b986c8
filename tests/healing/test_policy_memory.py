"""What ends a loop that runs, restores and uploads could otherwise go round for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from quarry.healing.health import Attempt, CellHealth, Copy, Local
from quarry.healing.policy import plan_healing
from tests.healing.test_policy import KEY, NOW, SETTINGS, attempt, cell


def collections_that_fail(one: CellHealth, *, makes_the_file: bool) -> Iterator[Attempt]:
    """Collect a cell whenever the plan says so, for a week; every run fails in the end."""
    past: list[Attempt] = []
    for tick in range(7 * 24 * 4):
        now = NOW + tick * timedelta(minutes=15)
        made_at = max((run.started_at for run in past), default=None)
        if makes_the_file and made_at is not None:
            good_at = made_at + timedelta(minutes=1)
            one = cell(one.local, one.copy, last_good_at=good_at, gpu_hours=0.1)
        for step in plan_healing([one], past, SETTINGS, now).steps:
            ended = now + timedelta(minutes=2)
            past.append(Attempt(KEY.partition, step.action, now, ended, "failed", gpu_hours=0.1))
    yield from past


@pytest.mark.parametrize("makes_the_file", [True, False])
@pytest.mark.parametrize("is_clock_ahead", [True, False])
def test_collections_that_fail_end_whatever_time_the_file_was_made(
    makes_the_file: bool, is_clock_ahead: bool
) -> None:
    good_at = NOW + timedelta(days=365) if is_clock_ahead else None
    one = cell("damaged", "absent", last_good_at=good_at, gpu_hours=0.1)
    made = list(collections_that_fail(one, makes_the_file=makes_the_file))
    assert len(made) == SETTINGS.most_failures


def test_a_cell_does_not_rest_until_a_clock_that_was_set_back_has_caught_up() -> None:
    ahead = attempt("failed", -365 * 24 * 60, "restore")
    [wait] = plan_healing([cell("damaged", "matching")], [ahead], SETTINGS, NOW).waiting
    assert wait.until == NOW + timedelta(minutes=SETTINGS.backoff_minutes)


def test_an_outage_does_not_excuse_a_collection() -> None:
    tried = [attempt("unreachable", 60 * 24 * day) for day in (1, 2, 3)]
    plan = plan_healing([cell("damaged", "absent")], tried, SETTINGS, NOW)
    assert not plan.steps
    assert "3 attempts in a row failed" in plan.stopped[0].why


def test_a_file_that_something_else_replaces_in_the_store_is_not_uploaded_for_ever() -> None:
    one = cell("sound", "different", last_good_at=NOW - timedelta(days=20))
    copied = [attempt("healed", 60 * 24 * day, "upload") for day in (1, 2, 3)]
    [stop] = plan_healing([one], copied, SETTINGS, NOW).stopped
    assert "another machine or program" in stop.why
    assert plan_healing([one], copied[:2], SETTINGS, NOW).steps
    changed = cell("sound", "different", last_good_at=NOW - timedelta(hours=1))
    assert plan_healing([changed], copied, SETTINGS, NOW).steps


@pytest.mark.parametrize(("local", "copy"), [("damaged", "missing"), ("failed", "missing")])
def test_a_file_that_may_mend_itself_is_tried_once_before_a_gpu(local: Local, copy: Copy) -> None:
    one, tried = cell(local, copy), attempt("copy_unusable", 1, "restore")
    assert [step.action for step in plan_healing([one], [], SETTINGS, NOW).steps] == ["restore"]
    assert [s.action for s in plan_healing([one], [tried], SETTINGS, NOW).steps] == ["recollect"]


def test_the_reason_for_resting_says_what_went_wrong_last() -> None:
    failed = attempt("failed", 4, error="out of memory")
    [wait] = plan_healing([cell("damaged", "absent")], [failed], SETTINGS, NOW).waiting
    assert "out of memory" in wait.why

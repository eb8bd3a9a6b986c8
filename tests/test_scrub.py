"""Which files a scrub takes today: the promise and the rule, over simulated months."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import UsageError
from quarry.scrub import Account, Budget, ScrubItem, ScrubPlan, choose, target_days

START = datetime(2026, 1, 1, 3, tzinfo=UTC)
N_DAYS = 200


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def item(name: str, size_bytes: int, verified: float | None = None, known: float = 0) -> ScrubItem:
    return ScrubItem(name, size_bytes, None if verified is None else day(verified), day(known))


def names(plan: ScrubPlan) -> list[str]:
    return [chosen.name for chosen in plan.chosen]


@dataclass
class Scenario:
    """A set of files, a budget, new files, and runs that fail to happen."""

    sizes: list[int]
    budget: Budget
    period_days: int
    arrivals: dict[int, int] = field(default_factory=dict[int, int])
    missed: set[int] = field(default_factory=set[int])
    must_cover: bool = True


@dataclass
class Months:
    """What came of a scenario: the oldest age in days before each run, and every plan."""

    oldest_days: list[float]
    plans: dict[int, ScrubPlan]
    items: dict[str, ScrubItem]

    def read_bytes(self, first: int, last: int) -> int:
        return sum(plan.size_bytes for n, plan in self.plans.items() if first <= n <= last)


def live(scenario: Scenario) -> Months:
    items = {f"f{n}": item(f"f{n}", size) for n, size in enumerate(scenario.sizes)}
    account, oldest, plans = None, list[float](), dict[int, ScrubPlan]()
    for number in range(N_DAYS):
        now = day(number)
        if number in scenario.arrivals:
            items[f"new{number}"] = item(f"new{number}", scenario.arrivals[number], known=number)
        oldest.append(max((now - age(one)) / timedelta(days=1) for one in items.values()))
        if number in scenario.missed:
            continue
        plan = choose(
            list(items.values()),
            scenario.budget,
            scenario.period_days,
            now,
            account=account,
            must_cover=scenario.must_cover,
        )
        for chosen in plan.chosen:
            items[chosen.name] = replace(items[chosen.name], last_verified=now)
        account, plans[number] = plan.account(plan.size_bytes), plan
    return Months(oldest, plans, items)


def age(one: ScrubItem) -> datetime:
    assert one.period_start is not None
    return one.period_start


def missed_days(period_days: int) -> st.SearchStrategy[set[int]]:
    """Runs that fail to happen, never more in a row than the reserve of the period."""
    reserve = period_days - target_days(period_days)
    longest = st.sets(st.integers(0, N_DAYS - 1), max_size=60)

    def shortened(days: set[int]) -> set[int]:
        kept = set[int]()
        for number in sorted(days):
            if reserve and not all(number - back in kept for back in range(1, reserve + 1)):
                kept.add(number)
        return kept

    return longest.map(shortened)


sizes = st.one_of(st.integers(0, 50), st.integers(0, 10_000), st.just(1_000))
budgets = st.one_of(
    st.sampled_from(["0.5%", "1%", "3%", "5%", "12.5%", "40%", "100%"]),
    st.integers(1, 20_000).map(lambda amount: f"{amount}B"),
).map(Budget.parse)


@st.composite
def scenarios(draw: st.DrawFn, *, is_steady: bool = False, must_cover: bool = True) -> Scenario:
    period_days = draw(st.one_of(st.integers(1, 12), st.sampled_from([30, 60, 90])))
    arrivals = st.dictionaries(st.integers(1, N_DAYS - 1), sizes, max_size=8)
    return Scenario(
        draw(st.lists(sizes, min_size=1, max_size=25)),
        draw(budgets),
        period_days,
        {} if is_steady else draw(arrivals),
        set() if is_steady else draw(missed_days(period_days)),
        must_cover,
    )


@given(scenario=scenarios())
@settings(derandomize=True, max_examples=150, deadline=None)
def test_no_file_goes_unverified_for_longer_than_the_period(scenario: Scenario):
    months = live(scenario)
    assert max(months.oldest_days) <= scenario.period_days
    assert not any(plan.overdue for plan in months.plans.values())
    long_there = [
        one
        for name, one in months.items.items()
        if not name.startswith("new") or int(name[3:]) < N_DAYS - scenario.period_days
    ]
    assert scenario.period_days > N_DAYS or all(one.last_verified for one in long_there)


@given(scenario=scenarios(is_steady=True))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_a_budget_said_to_suffice_is_never_raised_and_keeps_the_period(scenario: Scenario):
    needed = live(scenario).plans[0].sufficient_bytes
    scenario = replace(scenario, budget=Budget.parse(f"{needed}B"))
    months = live(scenario)
    assert not any(plan.is_raised for plan in months.plans.values())
    assert max(months.oldest_days) <= target_days(scenario.period_days)
    within = replace(scenario, must_cover=False)
    assert live(within).plans == months.plans


@given(scenario=scenarios(must_cover=False), window=st.integers(1, 40))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_the_budget_bounds_what_is_read_on_a_day_and_in_any_number_of_days(
    scenario: Scenario, window: int
):
    months = live(scenario)
    daily = max(plan.daily_bytes for plan in months.plans.values())
    largest = max((one.size_bytes for one in months.items.values()), default=0)
    for number, plan in months.plans.items():
        assert plan.size_bytes <= max(2 * plan.daily_bytes, largest)
        assert months.read_bytes(number, number + window - 1) <= window * daily + largest


@given(scenario=scenarios(must_cover=False))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_every_day_that_owes_less_than_a_budget_takes_something(scenario: Scenario):
    for plan in live(scenario).plans.values():
        assert bool(plan.chosen) == (plan.allowed_bytes > 0)
        if not plan.chosen:
            assert plan.next_day is not None
            assert plan.next_day > plan.day


@given(scenario=scenarios(is_steady=True), keep=st.floats(0.05, 0.9))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_what_a_small_budget_can_not_do_is_spread_over_the_period(scenario: Scenario, keep: float):
    scenario.sizes = [max(1, size) for size in scenario.sizes]
    needed = live(scenario).plans[0].sufficient_bytes
    small = Budget.parse(f"{max(1, int(needed * keep))}B")
    months = live(replace(scenario, budget=small))
    rate = -(-sum(scenario.sizes) // target_days(scenario.period_days))
    assert max(months.oldest_days) <= target_days(scenario.period_days)
    for plan in months.plans.values():
        assert plan.size_bytes <= 2 * rate + 2 * max(scenario.sizes)


@given(scenario=scenarios(), outage=st.integers(1, 120))
@settings(derandomize=True, max_examples=40, deadline=None)
def test_the_first_run_after_a_long_outage_takes_all_that_is_overdue(
    scenario: Scenario, outage: int
):
    scenario.missed = set(range(50, 50 + outage))
    months = live(scenario)
    plan = months.plans[50 + outage]
    assert set(plan.overdue) <= set(plan.chosen)
    bound = scenario.period_days + outage
    assert max(months.oldest_days) <= bound
    assert max(months.oldest_days[51 + outage :]) <= scenario.period_days


def test_the_never_verified_come_first_and_then_the_longest_unverified():
    files = [item("old", 10, 1), item("older", 10, 0), item("never", 10), item("young", 10, 5)]
    plan = choose(files, Budget.parse("40B"), 30, day(9))
    assert names(plan) == ["never", "older", "old", "young"]
    assert names(choose(files, Budget.parse("20B"), 90, day(9))) == ["never", "older"]


def test_ties_are_broken_by_the_name_and_not_by_the_order_given():
    files = [item(f"f{n}", 10) for n in range(20)]
    budget = Budget.parse("50B")
    first = names(choose(files, budget, 90, day(1)))
    assert names(choose(files[::-1], budget, 90, day(1))) == first
    assert first != sorted(first)


def test_a_large_file_is_taken_alone_and_the_next_days_pay():
    files = [item("small", 1, 0), item("large", 35, 1), item("other", 1, 2)]
    budget, account, taken = Budget.parse("10B"), None, list[list[str]]()
    for number in (3, 4, 5, 6, 7):
        plan = choose(files, budget, 90, day(number), account=account)
        taken.append(names(plan))
        files = [
            replace(one, last_verified=day(number)) if one.name in names(plan) else one
            for one in files
        ]
        account = plan.account(plan.size_bytes)
    assert [sorted(day) for day in taken] == [["small"], ["large"], [], [], ["other", "small"]]
    assert choose(files, budget, 90, day(8), account=account).allowed_bytes == 10


def test_a_second_run_on_a_day_spends_what_the_first_left_and_repeats_nothing():
    files = [item("a", 4), item("b", 4), item("c", 4)]
    budget = Budget.parse("10B")
    first = choose(files, budget, 90, day(0))
    assert len(first.chosen) == 3
    half_done = first.account(4)
    files[0] = replace(files[0], last_verified=day(0))
    second = choose(files, budget, 90, day(0.1), account=half_done)
    assert second.allowed_bytes == 6
    assert names(second) == [name for name in names(first) if name != "a"]
    done = [replace(one, last_verified=day(0)) for one in files]
    third = choose(done, budget, 90, day(0.2), account=second.account(8))
    assert third.chosen == ()
    assert third.next_day == day(1).date()


def test_nothing_is_saved_up_on_days_without_a_run():
    plan = choose([item("a", 1)], Budget.parse("10B"), 30, day(9), account=Account(START.date(), 7))
    assert plan.allowed_bytes == 10


def test_a_time_that_lies_ahead_proves_nothing():
    wrong_clock = [item("a", 5, 3_000), item("b", 5, 1)]
    assert names(choose(wrong_clock, Budget.parse("5B"), 90, day(2)))[0] == "a"


def test_vanished_files_take_their_turn():
    files = [item("gone", 0, 0), item("there", 10, 1)]
    assert names(choose(files, Budget.parse("1%"), 90, day(40)))[0] == "gone"


def test_without_files_there_is_nothing_to_do():
    plan = choose([], Budget.parse("5%"), 30, START)
    assert (plan.chosen, plan.next_day) == ((), None)
    assert plan.explanation() == "There is nothing to verify."


def test_the_explanation_names_figures_and_the_budget_that_would_do():
    files = [item(f"f{n}", 5_000_000_000) for n in range(24)]
    text = choose(files, Budget.parse("1GB"), 30, day(0)).explanation()
    assert "1 of 24 files chosen, 5.0 GB of 120.0 GB; the budget is 1.0 GB a day." in text
    assert "would have to be 5.0 GB a day" in text
    assert "would have to be" not in choose(files, Budget.parse("5%"), 30, day(0)).explanation()


@pytest.mark.parametrize(
    ("period_days", "days"), [(1, 1), (2, 1), (7, 6), (10, 9), (30, 27), (31, 27), (90, 81)]
)
def test_a_tenth_of_the_period_is_kept_for_runs_that_fail_to_happen(period_days: int, days: int):
    assert target_days(period_days) == days
    last_chance = choose([item("a", 100, 0), item("b", 1, 1)], Budget.parse("1B"), 30, day(27))
    assert names(last_chance) == ["a"]


@pytest.mark.parametrize("period_days", [0, -3])
def test_a_period_of_no_days_is_refused(period_days: int):
    with pytest.raises(UsageError, match="period"):
        choose([], Budget.parse("5%"), period_days, START)

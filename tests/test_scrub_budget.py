"""The scrub's settings: budgets as people write them, and the catalog entry `scrub:`."""

from pathlib import Path

import pytest

from quarry.catalog import Catalog, ScrubSettings, load_catalog
from quarry.errors import CatalogError, UsageError
from quarry.scrub import Budget
from quarry.size_text import size_text
from tests.audit.grid_on_disk import CATALOG_YAML

CATALOGS = Path(__file__).resolve().parents[1] / "catalog"


def load(tmp_path: Path, scrub: str) -> Catalog:
    path = tmp_path / "small.yaml"
    path.write_text(f"{CATALOG_YAML}{scrub}")
    return load_catalog(path)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("5%", 10_000),
        ("12.5 %", 25_000),
        ("100%", 200_000),
        ("50GB", 50 * 10**9),
        ("1.5 gb", 1_500_000_000),
        ("200MB", 200_000_000),
        ("2TiB", 2 << 40),
        ("1kib", 1024),
        ("7B", 7),
        ("0.0000001%", 1),
    ],
)
def test_a_budget_is_a_share_or_an_amount(text: str, size_bytes: int):
    budget = Budget.parse(text)
    assert budget.bytes_of(200_000) == size_bytes
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize(
    "text", ["", "5", "%", "-5%", "0%", "0GB", "101%", "5 pies", "5GB/day", "1e3GB", "5,5%", "NaN%"]
)
def test_anything_else_is_refused_with_the_units_that_there_are(text: str):
    with pytest.raises(UsageError, match="budget") as caught:
        Budget.parse(text)
    assert caught.value.got == repr(text)
    assert "5%" in (caught.value.fix or "")


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 KB"), (12_060_000_000, "12.1 GB")],
)
def test_sizes_are_shown_in_the_unit_that_fits(size_bytes: int, text: str):
    assert size_text(size_bytes) == text


@pytest.mark.parametrize("name", ["demo", "olmo3"])
def test_a_shipped_catalog_scrubs_a_twentieth_a_day_and_all_in_a_month(name: str):
    scrub = load_catalog(CATALOGS / f"{name}.yaml").scrub
    assert scrub == ScrubSettings(budget="5%", period_days=30, must_cover=True, cron="0 3 * * *")


def test_a_catalog_may_say_otherwise(tmp_path: Path):
    text = 'scrub: {budget: 1.5 tb, period_days: 90, must_cover: false, cron: "15 1 * * 6"}'
    scrub = load(tmp_path, text).scrub
    assert (scrub.budget, scrub.period_days, scrub.must_cover) == ("1.5TB", 90, False)
    assert scrub.cron == "15 1 * * 6"


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("budget: 500%", "scrub.budget", "at most 100%"),
        ("budget: 7 pies", "scrub.budget", "a number and a unit"),
        ("budget: 5", "scrub.budget", "valid string"),
        ("period_days: 0", "scrub.period_days", "greater than or equal to 1"),
        ("cron: daily", "scrub.cron", "match pattern"),
        ("colour: red", "scrub.colour", "Extra inputs"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(
    tmp_path: Path, text: str, key: str, expected: str
):
    with pytest.raises(CatalogError) as caught:
        load(tmp_path, f"scrub: {{{text}}}")
    assert key in str(caught.value)
    assert expected in str(caught.value)

"""The catalog's settings for healing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from quarry.catalog import HealSettings, load_catalog
from quarry.errors import CatalogError

DEMO = Path(__file__).resolve().parents[2] / "catalog" / "demo.yaml"


def with_heal(tmp_path: Path, values: dict[str, object]) -> Path:
    catalog = yaml.safe_load(DEMO.read_text(encoding="utf-8")) | {"heal": values}
    path = tmp_path / "catalog.yaml"
    path.write_text(yaml.safe_dump(catalog), encoding="utf-8")
    return path


def test_healing_needs_no_settings(tmp_path: Path) -> None:
    catalog = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    del catalog["heal"]
    path = tmp_path / "catalog.yaml"
    path.write_text(yaml.safe_dump(catalog), encoding="utf-8")
    assert load_catalog(path).heal == HealSettings()


def test_given_settings_are_taken(tmp_path: Path) -> None:
    heal = load_catalog(with_heal(tmp_path, {"bytes_per_day": "5 %", "gpu_hours_per_day": 0})).heal
    assert (heal.bytes_per_day, heal.gpu_hours_per_day) == ("5%", 0.0)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"bytes_per_day": "much"}, "heal.bytes_per_day"),
        ({"gpu_hours_per_day": -1}, "heal.gpu_hours_per_day"),
        ({"most_failures": 0}, "heal.most_failures"),
        ({"backoff_minutes": 0}, "heal.backoff_minutes"),
        ({"cron": "hourly"}, "heal.cron"),
        ({"gpu_hours": 3}, "heal.gpu_hours"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, values: dict[str, object], named: str) -> None:
    with pytest.raises(CatalogError, match=named):
        load_catalog(with_heal(tmp_path, values))

"""The costs in the plan: from earlier runs where there are any, and what they rest on."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from quarry.audit.csv import csv_text
from quarry.audit.html import html_page
from quarry.audit.report import Audit
from quarry.audit.survey import survey
from quarry.audit.tables import markdown, plan_markdown
from quarry.catalog import Catalog, Effort, load_catalog
from quarry.costs.estimate import Estimate
from quarry.costs.log import CostLog
from quarry.costs.span import Span
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from tests.audit.grid_on_disk import CATALOG_YAML, N_SAMPLES, write_trajectory
from tests.costs.records import record

A_GSM8K = TrajectoryKey("tiny_a", "gsm8k", 0)


@pytest.fixture
def measured_audit(seed_audit: Audit) -> Audit:
    """The first collection, with what one missing cell would cost by earlier runs."""
    key = seed_audit.plan[-1].keys[0]
    hours = Span(3.0, 4.0, 6.0)
    estimate = Estimate(hours, hours, "cell", "3 earlier runs of this cell")
    return replace(seed_audit, estimates={key: estimate})


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG_YAML)
    return load_catalog(path)


def test_without_estimates_the_plan_is_the_catalogs(seed_audit: Audit):
    assert [row.cost.basis for row in seed_audit.plan] == ["catalog default", "", "catalog default"]
    assert seed_audit.plan_cost.gpu_hours == Span.exactly(10.5)
    assert "Collecting 7 cells: 10.5 GPU hours, 10.5 wall hours one after another." in markdown(
        seed_audit
    )


def test_a_row_adds_up_its_cells_and_names_what_that_rests_on(measured_audit: Audit):
    *_, row = measured_audit.plan
    assert (row.gpu_hours, row.cost.gpu_hours) == (8.5, Span(7.5, 8.5, 10.5))
    assert row.cost.basis == "catalog default (3); 3 earlier runs of this cell (1)"
    assert measured_audit.plan_cost.gpu_hours == Span(12.0, 13.0, 15.0)


def test_every_view_shows_hours_range_and_basis(measured_audit: Audit):
    for view in (markdown(measured_audit), html_page(measured_audit)):
        for text in ("8.5 (7.5-10.5)", "Estimated from", "catalog default (3); 3 earlier runs"):
            assert text in view
        assert "Collecting 7 cells: 13 (12-15) GPU hours" in view
        assert "Dollars" not in view
    rows = {row["partition"]: row for row in csv.DictReader(io.StringIO(csv_text(measured_audit)))}
    key = measured_audit.plan[-1].keys[0]
    assert rows[key.partition]["collect_gpu_hours"] == "4"
    assert rows[key.partition]["collect_basis"] == "3 earlier runs of this cell"
    assert rows["gsm8k-0shot|olmo3_base"]["collect_gpu_hours"] == ""
    values = json.loads(json.dumps(measured_audit.as_dict()))
    assert values["plan"][-1]["collection"]["gpu_hours"] == {
        "low": 7.5,
        "likely": 8.5,
        "high": 10.5,
    }
    assert values["plan_cost"]["gpu_hours"]["likely"] == 13.0
    assert values["plan_cost"]["dollars"] is None


def test_a_price_gives_a_column_of_dollars(measured_audit: Audit):
    audit = replace(measured_audit, effort=Effort(gpu_hour_price=2.0))
    header, _, high, medium, low = plan_markdown(audit).splitlines()[2:7]
    column = [text.strip() for text in header.split("|")].index("Dollars")
    shown = [line.split("|")[column].strip() for line in (high, medium, low)]
    assert shown == ["9", "0", "17 (15-21)"]
    assert "13 (12-15) GPU hours, $26 (24-30)" in html_page(audit)
    assert audit.as_dict()["plan_cost"]["dollars"]["likely"] == 26.0


def test_what_is_wrong_with_the_log_is_said_beside_the_plan(measured_audit: Audit):
    audit = replace(measured_audit, cost_remark="2 damaged lines were skipped.")
    for view in (markdown(audit), html_page(audit)):
        assert "2 damaged lines were skipped." in view


def test_a_survey_takes_its_estimates_from_the_log(tmp_path: Path, catalog: Catalog):
    log = CostLog(DataDirectory(tmp_path).costs)
    same = {"task": "gsm8k", "n_samples": N_SAMPLES, "start_s": 0.0}
    log.append(record(model="tiny_a", **same))
    audit = survey(catalog, tmp_path)
    bases = {str(key): estimate.basis for key, estimate in audit.estimates.items()}
    assert bases == {
        "gsm8k-0shot|tiny_a": "1 earlier run of this cell",
        "gsm8k-0shot|tiny_b": "1 earlier run of other models on this task",
        "logiqa-0shot|tiny_a": "1 earlier run of this model, by the token",
        "logiqa-0shot|tiny_b": "catalog default",
    }
    assert audit.estimates[A_GSM8K].gpu_hours.likely == pytest.approx(1.0)


def test_a_cell_that_is_sound_needs_no_estimate(tmp_path: Path, catalog: Catalog):
    write_trajectory(tmp_path, A_GSM8K)
    audit = survey(catalog, tmp_path)
    assert A_GSM8K not in audit.estimates
    assert len(audit.estimates) == 3

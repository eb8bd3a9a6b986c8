"""The audit of a large grid: bounded, worst first, and nothing of a small grid is left out."""

from dataclasses import replace
from pathlib import Path

from quarry.audit.cell import AuditCell, CellStatus, decide
from quarry.audit.overview import MOST_CELLS, MOST_ROWS, page, sentence
from quarry.audit.report import Audit
from quarry.audit.survey import logged
from quarry.audit.tables import markdown
from quarry.catalog import load_catalog
from quarry.keys import TrajectoryKey
from tests.audit.conftest import cell_of


def grid_of(n_models: int, n_tasks: int, n_truncated: int = 0) -> Audit:
    """Sound cells but for the first ones, which are truncated, and the last, which is missing."""
    keys = [TrajectoryKey(f"m{i}", f"t{j}", 0) for i in range(n_models) for j in range(n_tasks)]
    cells: list[AuditCell] = [cell_of(key, 250) for key in keys]
    for place in range(n_truncated):
        cells[place] = cell_of(keys[place], "truncated")
    cells[-1] = decide(keys[-1], size_bytes=None)
    return Audit("large", tuple(cells), "light", "2026-01-20T12:00:00+00:00")


def test_a_small_grid_is_shown_cell_by_cell(seed_audit: Audit) -> None:
    assert page(seed_audit) == markdown(seed_audit)


def test_a_sentence_counts_every_state_there_is(seed_audit: Audit) -> None:
    assert sentence(seed_audit).startswith("24 cells: ")
    assert "3 CORRUPTED" in sentence(seed_audit)
    assert "UNLABELLED" not in sentence(seed_audit)


def test_a_large_grid_names_what_needs_a_look_worst_first() -> None:
    text = page(grid_of(100, 100, n_truncated=2))
    attention = text.split("### Cells that need a look")[1].split("###")[0]
    named = [line.split("|")[1].strip() for line in attention.splitlines() if "0shot" in line]
    assert named == ["t0-0shot\\", "t1-0shot\\", "t99-0shot\\"]
    assert "The file is shorter than its own header says" in attention
    by_model = text.split("### By model")[1].split("###")[0]
    assert next(line for line in by_model.splitlines() if "| m" in line).startswith("| m0 ")


def test_the_page_of_a_large_grid_stays_a_page_whatever_is_wrong() -> None:
    audit = grid_of(100, 100, n_truncated=5_000)
    text = page(audit)
    assert len(text) < 100_000
    assert "and 4901 more." in text
    assert text.count("\n") < 5 * (MOST_ROWS + 10)


def test_a_grid_is_large_once_its_tables_can_not_be_read() -> None:
    audit = grid_of(1, MOST_CELLS + 1)
    assert "Cells that need a look" in page(audit)
    assert "Cells that need a look" not in page(replace(audit, cells=audit.cells[1:]))


def test_every_state_but_ok_is_looked_at() -> None:
    assert "OK" not in page(grid_of(1, 400)).split("### Cells that need a look")[1].split("###")[0]
    assert CellStatus.OK is next(iter(CellStatus))


def test_a_survey_says_how_far_it_is() -> None:
    lines: list[str] = []
    catalog = load_catalog(Path(__file__).resolve().parents[2] / "catalog/demo.yaml")
    logged(lines.append, catalog)(24, 24, "gsm8k-0shot|demo_base")
    assert [line.startswith("24 of 24 cells, ") for line in lines] == [True]

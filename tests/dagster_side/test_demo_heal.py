"""Which cells `demo-heal` damages."""

import pytest

from commands.damages import DAMAGES
from commands.demo_heal import patients_of
from definitions import ROOT
from quarry.catalog import load_catalog


def test_the_demo_has_cells_of_their_own_for_every_damage():
    chosen = patients_of(load_catalog(ROOT / "catalog/demo.yaml").cells())
    assert [len(one) for one in chosen] == [damage.n_cells for damage in DAMAGES]
    cells = [cell for one in chosen for cell in one]
    assert len(set(cells)) == len(cells)


@pytest.mark.parametrize("n_cells", [1, 4])
def test_a_grid_that_is_too_small_is_seen_before_anything_is_damaged(n_cells: int):
    cells = load_catalog(ROOT / "catalog/first_hour.yaml").cells()[:n_cells]
    chosen = patients_of(cells)
    assert [len(one) for one in chosen] != [damage.n_cells for damage in DAMAGES]

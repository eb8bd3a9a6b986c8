"""What commands print while and after they run something."""

import io
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from assets.partitions import require_cells
from commands import output
from commands.output import show
from commands.planning import print_plan
from quarry.errors import UnknownNameError
from quarry.keys import TrajectoryKey
from quarry.planning.plan import BackfillPlan, PlanRow, Reason
from quarry.planning.selection import PlanSelection
from sensors.outcome import Outcome

CELLS = ["gsm8k-0shot|demo_base", "gsm8k-0shot|demo_sft", "logiqa-0shot|demo_sft"]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(output, "console", Console(file=text, width=100))
    return text


def test_the_title_stands_before_the_first_run_has_ended(printed: io.StringIO):
    def runs() -> Iterator[Outcome]:
        assert printed.getvalue() == "Training\n"
        yield Outcome("tiny", True, "", "")

    assert show(runs(), "Training", 1) == []
    assert re.fullmatch(r"Training\n  ok +tiny .*\(1/1\)\n", printed.getvalue())


def test_nothing_to_do_has_no_title(printed: io.StringIO):
    assert show([], "Training", 0) == []
    assert printed.getvalue() == ""


def test_who_interrupts_reads_that_nothing_is_lost(printed: io.StringIO):
    def runs() -> Iterator[Outcome]:
        yield Outcome("tiny", True, "", "")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show(runs(), "Training", 2)
    assert "what is done is kept" in printed.getvalue().splitlines()[-1]


def test_a_cell_of_a_plan_can_be_copied_from_a_narrow_terminal():
    reason = Reason("corrupt", "collect", "chunks_intact failed, its last run failed")
    rows = tuple(
        PlanRow(TrajectoryKey.from_partition(cell), "collect", (reason,)) for cell in CELLS
    )
    text = io.StringIO()
    plan = BackfillPlan("c", PlanSelection(("corrupt",)), n_cells=9, rows=rows)
    print_plan(plan, Console(file=text, width=80))
    assert all(f"│ {cell} " in text.getvalue() for cell in CELLS)
    assert "…" not in text.getvalue()


@pytest.mark.parametrize(
    ("written", "meant"), [("gsm8k-0shot|demo_stf", CELLS[1]), ("demo_sft|gsm8k-0shot", CELLS[0])]
)
def test_a_misspelt_cell_is_told_from_those_that_there_are(written: str, meant: str):
    with pytest.raises(UnknownNameError, match=re.escape(f"such as {meant}")):
        require_cells([written], CELLS, where="--cell")

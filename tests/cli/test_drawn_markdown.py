"""Tables on terminals that are wide enough for them, and on others."""

import io

import pytest
from rich.console import Console

from quarry.audit.tables import markdown_table
from quarry.cli.drawn_markdown import DrawnMarkdown

PATH = "data/trajectories/0shot/a_model_with_a_long_name/gsm8k_trajectories.h5"


def drawn(text: str, width: int) -> str:
    """What a terminal of so many columns shows."""
    shown = io.StringIO()
    Console(file=shown, width=width, color_system=None).print(DrawnMarkdown(text))
    return shown.getvalue()


def test_a_table_that_fits_is_a_table():
    shown = drawn(markdown_table(("File", "Bytes", "Result"), [[PATH, "1,421", "clean"]]), 120)
    assert "────" in shown
    assert PATH in shown


@pytest.mark.parametrize("width", [80, 40])
def test_no_word_of_a_wide_table_is_lost_on_a_narrow_terminal(width):
    rows = [[PATH, "1,421", "clean"], [PATH.replace("gsm8k", "logiqa"), "99", ""]]
    shown = drawn(markdown_table(("File", "Bytes", "Result"), rows), width)
    squeezed = "".join(shown.split())
    assert f"File:{PATH};Bytes:1,421;Result:clean" in squeezed
    assert "Bytes:99" in squeezed
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width


def test_names_and_values_stay_side_by_side_and_long_values_are_broken():
    shown = drawn(markdown_table(("Header", "Value"), [["weights", "7cdc6e" * 20]]), 60)
    assert "────" in shown
    assert "7cdc6e" * 20 in "".join(shown.split())


def test_emphasis_survives_beside_a_heading():
    shown = io.StringIO()
    console = Console(file=shown, width=40, force_terminal=True, color_system="standard")
    console.print(
        DrawnMarkdown(markdown_table(("File", "A", "B"), [[PATH, "**IMBALANCED**", "x"]]))
    )
    assert "\x1b[1mIMBALANCED" in shown.getvalue()

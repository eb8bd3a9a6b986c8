"""CSV, HTML, JSON and Markdown views of an audit."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from quarry.audit.cell import AuditCell, CellStatus
from quarry.audit.csv import COLUMNS, csv_text
from quarry.audit.html import FINDINGS_SHOWN, html_page
from quarry.audit.html_style import DARK, LIGHT
from quarry.audit.report import Audit
from quarry.audit.tables import markdown, markdown_table
from quarry.findings import Finding

VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Collects tags and text, and fails on a tag that closes another than the open one."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_csv_has_one_row_a_cell_and_leaves_unknown_values_empty(seed_audit):
    rows = list(csv.DictReader(io.StringIO(csv_text(seed_audit))))
    assert len(rows) == 24
    by_cell = {row["partition"]: row for row in rows}
    fine = by_cell["gsm8k-0shot|olmo3_base"]
    assert (fine["n_correct"], fine["correct_rate"], fine["n_incorrect"]) == ("63", "0.1260", "437")
    assert (fine["n_graded"], fine["correct_rate_low"]) == ("500", "0.0997")
    assert (fine["smallest_effect"], fine["power_at_0.5"]) == ("0.3783", "0.9593")
    assert (fine["correct_lacking"], fine["incorrect_lacking"]) == ("0", "0")
    broken = by_cell["logiqa-0shot|olmo3_sft"]
    assert (broken["status"], broken["n_correct"], broken["n_error"]) == ("CORRUPTED", "", "")
    assert {broken[name] for name in ("correct_rate_high", "power_at_0.2", "n_graded")} == {""}
    assert broken["first_finding"] == "truncated: 6215000000 bytes"
    assert list(rows[0]) == list(COLUMNS)


def test_json_holds_cells_usable_lists_and_plan(seed_audit):
    audit = json.loads(json.dumps(seed_audit.as_dict()))
    assert len(audit["cells"]) == 24
    assert audit["counts"]["CORRUPTED"] == 3
    usable = audit["usable"]
    assert usable["h1"]["humaneval"] == ["humaneval-0shot|olmo3_rl_zero"]
    assert usable["too_few"] == ["humaneval-0shot|olmo3_think"]
    assert usable["h2"][0]["smallest_effect"] == pytest.approx(0.3783, abs=1e-4)
    assert usable["h2"][0]["weakest_task"] == "gsm8k"
    assert len(usable["comparisons"]) == 17
    assert audit["cells"][0]["interval"]["low"] == pytest.approx(0.0997, abs=1e-4)
    assert audit["cells"][5]["interval"] is None
    assert audit["plan"][0]["gpu_hours"] == 4.5
    assert audit["cells"][5]["findings"][0]["kind"] == "truncated"


def test_the_page_is_well_formed_and_needs_nothing_from_outside(seed_audit):
    page = html_page(seed_audit)
    outline = Outline(page)
    assert not {"script", "link", "img", "iframe"} & set(outline.tags)
    assert all(link.startswith("#") for link in outline.links)
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)
    assert "url(" not in page
    assert "http" not in page
    assert "@import" not in page


def test_the_page_shows_every_status_as_a_word_and_every_cure(seed_audit):
    text = " ".join(Outline(html_page(seed_audit)).text)
    words = ("63/500 (12.6%)", "[10.0-15.8%]", "IMBALANCED", "MISSING", "CORRUPTED")
    for word in (*words, "Recollection plan", "What H1 can show", "15 more correct"):
        assert word in text
    assert text.count("restore the remote copy if it verifies, else collect again") == 3


def test_text_of_a_finding_can_not_break_the_page(seed_audit):
    evil = Finding("c", "k", "<script>alert(1)</script>", "a|b", "</td>", "&", '"><img src=x>')
    broken = replace(seed_audit.cells[5], findings=(evil,) * (FINDINGS_SHOWN + 3))
    audit = replace(seed_audit, cells=(*seed_audit.cells[:5], broken, *seed_audit.cells[6:]))
    outline = Outline(html_page(audit))
    assert not {"script", "img"} & set(outline.tags)
    assert "and 3 more findings" in outline.text


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_has_a_contrast_of_at_least_4_5_to_1(palette):
    assert {status.lower() for status in CellStatus} <= set(palette)
    for role, (text, back) in palette.items():
        brighter, darker = sorted((luminance(text), luminance(back)), reverse=True)
        assert (brighter + 0.05) / (darker + 0.05) >= 4.5, role


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_clean_grid_has_no_plan_and_says_so(seed_audit):
    fine = tuple(cell for cell in seed_audit.cells if cell.key.task == "gsm8k")
    audit = replace(seed_audit, cells=fine)
    assert audit.is_clean
    assert "Nothing to do: every cell is OK." in markdown(audit)
    assert "none: no model has two usable tasks" in markdown(audit)
    assert "Nothing to do" in html_page(audit)


def test_a_complete_model_comes_first_in_the_h2_list(seed_audit):
    repaired = [
        repair(cell) if cell.key.model == "olmo3_think" else cell for cell in seed_audit.cells
    ]
    first = Audit("olmo3", tuple(repaired), "full", "2026-01-20").usable.h2[0]
    assert (first.model, first.is_complete) == ("olmo3_think", True)


def repair(cell: AuditCell) -> AuditCell:
    return replace(cell, status=CellStatus.OK, verdicts={"correct": 90, "incorrect": 400})


def test_a_page_without_any_label_says_so_and_shows_no_empty_table(seed_audit):
    bare = replace(seed_audit, cells=(seed_audit.cells[5],))
    assert "No cell is labelled." in Outline(html_page(bare)).text
    assert "What H1 can show" not in markdown(bare)


def test_power_is_never_shown_as_certain(seed_audit):
    assert "> 99%" in markdown(seed_audit)
    assert " 100% " not in markdown(seed_audit)


def test_a_bar_or_line_break_in_a_text_can_not_break_a_markdown_table():
    lines = markdown_table(["a", "b"], [["x|y", "first\nsecond"]]).splitlines()
    assert len(lines) == 3
    assert len(re.findall(r"(?<!\\)\|", lines[2])) == 3
    assert len({len(line) for line in lines}) == 1

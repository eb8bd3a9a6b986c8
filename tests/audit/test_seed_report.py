"""The audit says about the first collection what its hand-made report says."""

import re

from quarry.audit.cell import CellStatus, LabelCounts, decide
from quarry.audit.plan import make_plan
from quarry.audit.tables import grid_markdown, markdown
from quarry.catalog import Effort


def squeezed(table: str) -> list[str]:
    """Lines of a Markdown table without its padding and intervals, which the report had not."""
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [re.sub(r" \[[^]]*\]", "", " ".join(line.split())) for line in lines]


def test_the_zero_shot_table_is_the_seeds_but_for_25_of_500_which_is_not_under_5_percent(
    seed_audit,
):
    assert squeezed(grid_markdown(seed_audit, 0)) == [
        "| Model | gsm8k | humaneval | logiqa |",
        "| olmo3_base | 63/500 (12.6%) OK | 19/500 (3.8%) **IMBALANCED** | 127/500 (25.4%) OK |",
        "| olmo3_sft | 297/500 (59.4%) OK | 24/500 (4.8%) **IMBALANCED** | **CORRUPTED** |",
        "| olmo3_rl_zero | 70/500 (14.0%) OK | 67/500 (13.4%) OK | **CORRUPTED** |",
        "| olmo3_think | 197/500 (39.4%) OK | 25/500 (5.0%) OK | **CORRUPTED** |",
    ]


def test_the_eight_shot_table_is_the_seeds(seed_audit):
    assert squeezed(grid_markdown(seed_audit, 8)) == [
        "| Model | gsm8k | humaneval | logiqa |",
        "| olmo3_base | 369/500 (73.8%) OK | **MISSING** | 146/500 (29.2%) OK |",
        "| olmo3_sft | 344/500 (68.8%) OK | **MISSING** | 98/500 (19.6%) OK |",
        "| olmo3_rl_zero | 378/500 (75.6%) OK | **MISSING** | 146/500 (29.2%) OK |",
        "| olmo3_think | 222/500 (44.4%) OK | **MISSING** | 137/500 (27.4%) OK |",
    ]


def test_every_share_has_its_interval_beside_it(seed_audit):
    table = grid_markdown(seed_audit, 0)
    assert "| 63/500 (12.6%) OK [10.0-15.8%] " in table
    assert "| 19/500 (3.8%) **IMBALANCED** [2.4-5.9%] " in table
    assert table.count("[") == len(re.findall(r"\d+/500 ", table))


def test_eight_gsm8k_and_five_logiqa_files_are_usable_for_h1(seed_audit):
    usable = {entry.task: len(entry.keys) for entry in seed_audit.usable.h1}
    assert usable == {"gsm8k": 8, "humaneval": 1, "logiqa": 5}
    text = markdown(seed_audit)
    assert "- logiqa: 5 files (0-shot: olmo3_base d >= 0.29; 8-shot: olmo3_base d >= 0.28, " in text


def test_25_right_of_500_are_balanced_but_too_few_for_a_medium_difference(seed_audit):
    assert [str(one.key) for one in seed_audit.usable.too_few] == ["humaneval-0shot|olmo3_think"]
    text = markdown(seed_audit)
    assert "### Too few rows to show d = 0.5" in text
    assert "- humaneval 0-shot olmo3_think: 9 more correct (d >= 0.58)" in text


def test_no_model_has_all_tasks_for_h2_and_partial_sets_are_listed_with_what_they_lack(seed_audit):
    sets = {(entry.model, entry.n_shot): entry for entry in seed_audit.usable.h2}
    assert not any(entry.is_complete for entry in sets.values())
    assert sets["olmo3_base", 0].tasks == ("gsm8k", "logiqa")
    assert sets["olmo3_base", 0].lacking == ("humaneval",)
    assert sets["olmo3_rl_zero", 0].tasks == ("gsm8k", "humaneval")
    assert ("olmo3_sft", 0) not in sets
    assert {model for model, n_shot in sets if n_shot == 8} == set(seed_audit.models)


def test_the_plan_has_the_seeds_order_and_effort(seed_audit):
    plan = [
        (row.priority, row.issue, row.action, row.gpu_hours, row.cpu_hours)
        for row in seed_audit.plan
    ]
    assert plan == [
        ("HIGH", "0-shot logiqa: 3 corrupted", "restore-or-recollect", 4.5, 0.75),
        ("MEDIUM", "0-shot humaneval: 2 imbalanced", "inspect-and-relabel", 0.0, 0.5),
        ("LOW", "8-shot humaneval: 4 missing", "collect", 6.0, 1.0),
    ]
    assert [key.model for key in seed_audit.plan[0].keys] == [
        "olmo3_sft",
        "olmo3_rl_zero",
        "olmo3_think",
    ]
    assert seed_audit.plan[0].reason.startswith("truncated: restore the remote copy")


def test_hours_scale_with_the_catalogs_effort(seed_audit):
    plan = make_plan(seed_audit.cells, Effort(collect_gpu_hours=2.0, relabel_cpu_hours=0.0))
    assert [row.gpu_hours for row in plan] == [6.0, 0.0, 8.0]
    assert sum(row.cpu_hours for row in plan) == 0.0


def test_an_undecided_cell_asks_for_more_rows_and_comes_last(seed_audit):
    counts = LabelCounts({"correct": 6, "incorrect": 158})
    cell = decide(seed_audit.cells[1].key, size_bytes=1, labels=counts)
    *_, last = make_plan((cell, *seed_audit.cells[2:]), Effort())
    assert (last.priority, last.issue, last.action, last.gpu_hours) == (
        "LOW",
        "0-shot humaneval: 1 undecided",
        "collect-more",
        1.5,
    )
    assert "136 more would decide: raise n_samples" in last.reason


def test_counts_cover_every_status_and_every_cell(seed_audit):
    assert seed_audit.counts == {
        CellStatus.OK: 15,
        CellStatus.UNDECIDED: 0,
        CellStatus.IMBALANCED: 2,
        CellStatus.UNLABELLED: 0,
        CellStatus.MISSING: 4,
        CellStatus.CORRUPTED: 3,
    }
    assert not seed_audit.is_clean

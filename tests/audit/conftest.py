"""The state of the first collection, as its own report of 2026-01-20 gives it."""

import pytest

from quarry.audit.cell import AuditCell, LabelCounts, decide
from quarry.audit.report import Audit
from quarry.catalog import Effort
from quarry.findings import Finding
from quarry.keys import TrajectoryKey

MODELS = ("olmo3_base", "olmo3_sft", "olmo3_rl_zero", "olmo3_think")
TASKS = ("gsm8k", "humaneval", "logiqa")
CORRECT = {
    0: {
        "gsm8k": (63, 297, 70, 197),
        "humaneval": (19, 24, 67, 25),
        "logiqa": (127, "truncated", "truncated", "truncated"),
    },
    8: {
        "gsm8k": (369, 344, 378, 222),
        "humaneval": ("missing", "missing", "missing", "missing"),
        "logiqa": (146, 98, 146, 137),
    },
}


def truncation(key: TrajectoryKey) -> Finding:
    """What verification says about a file that was cut."""
    return Finding(
        check="file_complete",
        kind="truncated",
        what="The file is shorter than its own header says",
        where=str(key.trajectory_path),
        expected="6396000000 bytes",
        got="6215000000 bytes",
        cure="restore the remote copy if it verifies, else collect again",
    )


def cell_of(key: TrajectoryKey, state: int | str) -> AuditCell:
    """The cell of 500 rows with so many correct ones, or broken, or absent."""
    if state == "missing":
        return decide(key, size_bytes=None)
    if state == "truncated":
        return decide(key, size_bytes=6_215_000_000, findings=[truncation(key)])
    counts = LabelCounts({"correct": int(state), "incorrect": 500 - int(state)})
    return decide(key, size_bytes=6_396_000_000, n_samples=500, labels=counts)


@pytest.fixture
def seed_audit() -> Audit:
    """The audit of the first collection's 24 cells."""
    cells = [
        cell_of(TrajectoryKey(model, task, n_shot), CORRECT[n_shot][task][row])
        for n_shot in CORRECT
        for row, model in enumerate(MODELS)
        for task in TASKS
    ]
    return Audit("olmo3", tuple(cells), "full", "2026-01-20T12:00:00+00:00", effort=Effort())

"""Making the plan: what is due of every cell, from the disk and from what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quarry.catalog import Catalog
from quarry.costs.grid import GridCosts
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from quarry.planning.disk import DiskLook, OnDisk
from quarry.planning.known import ACTIONS, CHECKPOINTS, SAMPLES, Action, KnownGrid
from quarry.planning.plan import BackfillPlan, LeftOut, PlanRow, Prerequisite, Reason
from quarry.planning.selection import PlanSelection

_LAST_RUN: dict[Action, str] = {
    "collect": "its last run failed",
    "label": "the last run of its labels failed",
    "copy": "the last run of its second copy failed",
}
_STALE = "its file is intact ({}): only `--stale` by name collects it anew"
_RECORDED = "its last run failed and its file is intact: `quarry collect` records it"
_UNRECORDED = "its file is there and is not known to Dagster: `quarry collect` records it"


def make_plan(
    catalog: Catalog, directory: DataDirectory, known: KnownGrid, selection: PlanSelection
) -> BackfillPlan:
    """What is due.

    Args:
        catalog: which cells exist, and what they cost where nothing was measured.
        directory: where the files lie.
        known: what the orchestrator knows.
        selection: which troubles and cells count.

    Raises:
        UnknownNameError: a model or benchmark of the selection is not in the catalog.
    """
    keys = selection.cells(catalog)
    look = DiskLook(catalog, directory, is_deep=selection.is_deep)
    costs = GridCosts(catalog, directory.root)
    rows: list[PlanRow] = []
    left_out: list[LeftOut] = []
    for key in keys:
        there = look.at(key)
        reasons = [one for one in _reasons(key, there, known) if selection.wants(one.kind)]
        spared, why = _spared(key, there, known, reasons, selection)
        reasons = [one for one in reasons if one not in spared]
        if spared and not reasons:
            left_out.append(LeftOut(key.partition, why, tuple(spared)))
        elif why := _hindrance(key, there, known, reasons, selection):
            left_out.append(LeftOut(key.partition, why, tuple(reasons)))
        elif reasons and selection.most and len(rows) == selection.most:
            left_out.append(LeftOut(key.partition, f"over --max {selection.most}", tuple(reasons)))
        elif reasons:
            rows.append(_row(key, reasons, there, costs, catalog))
    return BackfillPlan(
        catalog=catalog.name,
        selection=selection,
        n_cells=len(keys),
        rows=tuple(rows),
        left_out=tuple(left_out),
        prerequisites=_prerequisites(rows, catalog, directory, known),
        price=catalog.effort.gpu_hour_price,
        remark=costs.remark,
    )


def _reasons(key: TrajectoryKey, there: OnDisk, known: KnownGrid) -> Iterable[Reason]:
    """Everything that is wrong with a cell."""
    cell = key.partition
    if not there.has_file:
        yield Reason("missing", "collect", "no file")
    elif not there.has_labels and not there.findings and not there.obstacle:
        yield Reason("missing", "label", "no labels")
    for action in ACTIONS:
        if cell in known.failed.get(action, ()):
            yield Reason("failed", action, _LAST_RUN[action])
    if there.damage:
        yield Reason("corrupt", "collect", there.damage)
    elif cell in known.condemned and there.has_file:
        yield Reason("corrupt", "collect", f"{', '.join(known.condemned[cell])} failed")
    for action in ACTIONS:
        if moved := known.stale.get(action, {}).get(cell):
            yield Reason("stale", action, moved)


def _spared(
    key: TrajectoryKey,
    there: OnDisk,
    known: KnownGrid,
    reasons: Sequence[Reason],
    selection: PlanSelection,
) -> tuple[list[Reason], str]:
    """What is no reason to collect an intact file anew, and why not.

    That spends GPU hours and replaces the file. So a run that failed over it is none, and that it
    is stale is one only by name, with all that hangs on it.
    """
    is_bad = there.findings or there.obstacle or key.partition in known.condemned
    if is_bad or not there.has_file:
        return [], ""
    failed = [one for one in reasons if (one.kind, one.action) == ("failed", "collect")]
    stale = [one for one in reasons if one.kind == "stale"]
    if selection.kinds or all(one.action != "collect" for one in stale):
        return failed, _RECORDED
    return [*failed, *stale], _STALE.format("; ".join(one.text for one in stale))


def _hindrance(
    key: TrajectoryKey,
    there: OnDisk,
    known: KnownGrid,
    reasons: Sequence[Reason],
    selection: PlanSelection,
) -> str:
    """Why a cell is not done now although something is wrong with it; empty for no reason."""
    cell = key.partition
    is_unrecorded = there.has_file and cell not in known.recorded and cell not in known.busy
    if reasons and cell in known.busy:
        return known.busy[cell]
    if there.obstacle:
        return f"it can't be looked at: {there.obstacle}"
    if not reasons:
        return _UNRECORDED if is_unrecorded and selection.wants("missing") else ""
    if _action(reasons) == "collect":
        return ""
    if not there.has_file:
        return "it has no file: `--missing` collects it"
    if there.findings:
        return f"its file is damaged ({there.damage}): `--corrupt` collects it"
    return _UNRECORDED if is_unrecorded else ""


def _action(reasons: Sequence[Reason]) -> Action:
    """The one action that mends all of it."""
    found = {one.action for one in reasons}
    return next(action for action in ACTIONS if action in found)


def _row(
    key: TrajectoryKey,
    reasons: Sequence[Reason],
    there: OnDisk,
    costs: GridCosts,
    catalog: Catalog,
) -> PlanRow:
    """What is due of a cell, priced."""
    action = _action(reasons)
    # what another action would mend is mended by this one, and its reason said all the same
    ordered = tuple(sorted(reasons, key=lambda one: one.action != action))
    is_collected = action == "collect"
    estimate, written = costs.priced(key, there.findings) if is_collected else (None, None)
    cpu_hours = 0.0 if action == "copy" else catalog.effort.relabel_cpu_hours
    return PlanRow(key, action, ordered, estimate, written, cpu_hours)


def _prerequisites(
    rows: Sequence[PlanRow], catalog: Catalog, directory: DataDirectory, known: KnownGrid
) -> tuple[Prerequisite, ...]:
    """Samples and checkpoints that cells lack, each once, in the order of the catalog."""
    keys = [row.key for row in rows if row.action == "collect"]
    lacking: dict[Prerequisite, None] = {}
    for key in keys:
        one = Prerequisite(SAMPLES, key.benchmark)
        is_there = known.has_store or directory.samples(key).exists()
        if one not in lacking and not (is_there and one.partition in known.ready.get(SAMPLES, ())):
            lacking[one] = None
    for model in catalog.models:
        if catalog.model(model).recipe is None or all(key.model != model for key in keys):
            continue
        is_made = model in known.ready.get(CHECKPOINTS, ())
        if not (is_made and directory.checkpoint(model).exists()):
            lacking[Prerequisite(CHECKPOINTS, model)] = None
    return tuple(lacking)

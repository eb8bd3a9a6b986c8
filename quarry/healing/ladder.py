"""The ladder: which action a cell's trouble allows, the cheapest sound one first.

    restore     the bytes come from a copy, or prove to be here already; no GPU
    upload      the file here is sound and its copy is not
    recollect   intact rows are salvaged, the others made anew; only where no copy may do

Never `upload` from a file that is not sound here, never `recollect` in place of one that is. After
a failed run nobody knows which it is: `restore` looks first, and leaves a sound file alone. What
was tried before is in `past`, what may be spent in `policy`.
"""

from __future__ import annotations

from dataclasses import dataclass

from quarry.audit.plan import Priority
from quarry.healing.health import Action, CellHealth

_RESTORABLE = frozenset({"matching", "different", "remote_only"})
_HERE = {
    "sound": "the file here is sound",
    "damaged": "the file here is damaged",
    "missing": "there is no file here",
    "failed": "the latest run failed",
    "unverified": "no check has looked at the file here",
}
_THERE = {
    "matching": "the store has this very file",
    "missing": "the store has no copy",
    "different": "the store has another version",
    "remote_only": "the store has a copy",
    "absent": "the store has no copy either",
    "unknown": "the store could not be asked",
}


@dataclass(frozen=True)
class Rung:
    """The action that is due for a cell, or what it waits for.

    Args:
        action: what to do; None where nothing sound can be done yet.
        reason: what was found, as one sentence without the full stop.
        ruled_out: each cheaper action that will not do, and why.
        priority: as in the audit.
    """

    action: Action | None
    reason: str
    ruled_out: tuple[str, ...] = ()
    priority: Priority = "LOW"


def rung_of(cell: CellHealth, *, is_restore_refuted: bool) -> Rung | None:
    """The rung that is due; None for a cell with which nothing is to be done.

    Args:
        cell: the cell.
        is_restore_refuted: whether restoring it was tried, and no copy could give the bytes.
    """
    if cell.local == "unverified":
        return None
    if cell.local == "sound":
        return _second_copy(cell)
    priority: Priority = "HIGH" if cell.local == "damaged" else "LOW"
    refusal = _refusal_of_restoring(cell, is_restore_refuted)
    if refusal is None:
        return Rung("restore", _found(cell), (), priority)
    ruled_out = (f"restore: {refusal}",)
    if cell.copy == "unknown" and not (cell.is_copy_refuted or is_restore_refuted):
        return Rung(None, "the store could not be asked whether it has a copy", ruled_out, priority)
    if cell.is_lone and cell.local != "missing":
        why = "the file here may be the only good version, so nothing may take its place; verify it"
        return Rung(None, why, ruled_out, priority)
    return Rung("recollect", _found(cell), ruled_out, priority)


def _second_copy(cell: CellHealth) -> Rung | None:
    """What a sound file needs: a good copy in the store.

    `absent` and `remote_only` contradict a file that is here: there is no store, or its listing
    was made before the file came.
    """
    is_wrong = cell.copy in {"missing", "different"}
    if is_wrong or (cell.copy == "matching" and cell.is_copy_refuted):
        return Rung("upload", _found(cell), (), "MEDIUM")
    return None


def _refusal_of_restoring(cell: CellHealth, is_refuted: bool) -> str | None:
    """Why restoring will not do; None where it may.

    After a failed run a file that is here is looked at first: it may be whole, and needs no copy.
    A damaged one that the store lacks may prove itself (a lost table, bytes behind its end), or lie
    in another cell's place: that is tried once.
    """
    if is_refuted:
        return "it was tried, and no copy could give the bytes"
    if cell.local == "damaged" and cell.copy == "missing":
        return None
    if cell.local == "failed" and (cell.is_lone or cell.copy in {"matching", "missing"}):
        return None
    if cell.is_copy_refuted:
        return "the copy in the store proved unusable"
    return None if cell.copy in _RESTORABLE else _THERE[cell.copy]


def _found(cell: CellHealth) -> str:
    """How the cell is, here and there."""
    here = f"{_HERE[cell.local]} ({cell.why})" if cell.why else _HERE[cell.local]
    there = _THERE[cell.copy]
    if cell.is_copy_refuted and cell.copy in _RESTORABLE:
        there += ", which proved unusable"
    return f"{here}; {there}"

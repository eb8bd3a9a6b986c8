"""The guarded child of `salvage`: opens a damaged file, says which rows are whole, copies them.

Run by `salvage` through `guarded.run_guarded`; never called in the caller's own process. Two steps,
each a child of its own: `survey` reads everything and may be killed and asked again, `write` copies
what was found whole. Messages are in `tell`, rows in `rows` and `legacy`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import h5py

from quarry.errors import READ_ERRORS
from quarry.salvage.columns import further_columns, survey_columns
from quarry.salvage.legacy import LegacyRows
from quarry.salvage.rows import OwnRows
from quarry.salvage.tell import Teller, reason_of
from quarry.salvage.view import DamagedFile
from quarry.trajectory.digest_table import read_table
from quarry.trajectory.layout import SAMPLES
from quarry.trajectory.superblock import SuperblockError


def examine(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    """Do one step.

    Args:
        request: `path`; `digests`, the table to prove rows with, or None; `cpu_s`, most CPU seconds
            for a row; `kept`, `lost` and `left_out`, what is known already; `output`, where to
            write the kept rows, or None to survey.
        tell: sends one message to the caller at once.
    """
    path, teller = Path(request["path"]), Teller(tell, request["cpu_s"])
    try:
        teller.at(0, -1)
        with DamagedFile(path) as view, h5py.File(cast("Any", view), "r") as file:
            table = read_table(path, request["digests"]) if request["digests"] else None
            kind = OwnRows if SAMPLES in file else LegacyRows
            rows = kind(file, str(path), view.size_bytes, table)
            teller.facts(n_rows=rows.n_rows)
            if request["output"] is None:
                _survey(file, rows, request, teller)
            else:
                _write(file, rows, request, teller)
    except (*READ_ERRORS, SuperblockError) as error:
        teller.closed(reason_of(error))


def _survey(
    file: h5py.File, rows: OwnRows | LegacyRows, request: dict[str, Any], teller: Teller
) -> None:
    """Tell of each row and column that nothing is known of yet."""
    known = {*request["kept"], *request["lost"]}
    rows.survey([row for row in range(rows.n_rows) if row not in known], request["kept"], teller)
    if isinstance(rows, LegacyRows):
        path = Path(request["path"])
        survey_columns(file, path, rows.n_rows, request["left_out"], rows.table, teller)


def _write(
    file: h5py.File, rows: OwnRows | LegacyRows, request: dict[str, Any], teller: Teller
) -> None:
    """Copy the kept rows."""
    output = Path(request["output"])
    if isinstance(rows, OwnRows):
        manifest = rows.write(request["kept"], output, teller)
        teller.written(manifest.as_dict())
        return
    columns = [name for name in further_columns(file) if name not in request["left_out"]]
    rows.write(request["kept"], output, teller, columns)
    teller.written(None)

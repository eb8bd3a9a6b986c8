"""Shared memory between two processes: what one writes, the other reads, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.inference.host.spool import EMPTY, MOST_SLOTS, NOTHING, Spool

WRITE_ELSEWHERE = """
import sys
import numpy as np
from quarry.inference.host.spool import Spool
spool = Spool.open(sys.argv[1])
spool.rows(4096, (3, 2, 4))[...] = np.arange(24).reshape(3, 2, 4)
spool.set_status(5, 3)
"""


def test_another_process_writes_rows_and_status_that_this_one_reads() -> None:
    spool = Spool.create(1 << 16)
    subprocess.run([sys.executable, "-c", WRITE_ELSEWHERE, spool.path], check=True)
    assert [spool.status(slot) for slot in (4, 5, 6)] == [EMPTY, 3, EMPTY]
    rows = spool.rows(4096, (3, 2, 4))
    assert rows.ravel().tolist() == list(range(24))
    spool.close()


@given(st.lists(st.tuples(st.integers(1, 7), st.integers(-2, 50)), min_size=1, max_size=12))
def test_slots_side_by_side_do_not_touch_each_other(slots: list[tuple[int, int]]) -> None:
    slot_bytes = 7 * 2 * 4 * 2
    spool = Spool.create(slot_bytes * len(slots))
    for number, (n_rows, status) in enumerate(slots):
        spool.rows(number * slot_bytes, (n_rows, 2, 4))[...] = number + 1
        spool.set_status(number, status)
    for number, (n_rows, status) in enumerate(slots):
        assert spool.status(number) == status
        assert (spool.rows(number * slot_bytes, (n_rows, 2, 4)) == number + 1).all()
    spool.close()


def test_the_last_slot_and_the_last_row_have_room_and_nothing_is_beyond() -> None:
    spool = Spool.create(64)
    spool.set_status(MOST_SLOTS - 1, NOTHING)
    assert spool.rows(0, (4, 1, 8)).sum() == 0
    assert spool.status(MOST_SLOTS - 1) == NOTHING
    with pytest.raises(ValueError, match="buffer"):
        spool.rows(0, (5, 1, 8))
    spool.close()


def test_rows_that_were_handed_out_outlive_the_spool() -> None:
    spool = Spool.create(1 << 12)
    rows = spool.rows(0, (2, 1, 4))
    rows[...] = 7
    path = Path(spool.path)
    spool.close()
    spool.close()
    assert rows.tolist() == np.full((2, 1, 4), 7.0).tolist()
    assert not path.exists()


def test_what_is_not_written_takes_no_memory() -> None:
    spool = Spool.create(1 << 40)
    assert spool.arena_bytes == 1 << 40
    spool.rows((1 << 40) - 8, (1, 1, 4))[...] = 1
    assert Path(spool.path).stat().st_blocks * 512 < 1 << 20
    spool.close()

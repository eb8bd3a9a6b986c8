"""Bytes that a collection will write are told from files of the same model."""

from quarry.costs.estimate import Missing
from quarry.costs.sizes import FileSizes
from quarry.keys import TrajectoryKey
from tests.costs.records import KEY, record

WHOLE = Missing(100, 100)


def test_nothing_is_said_where_nothing_was_seen():
    assert FileSizes([]).of(KEY, WHOLE) is None
    assert FileSizes([record(model="large")]).of(KEY, WHOLE) is None
    assert FileSizes([record(outcome="failed")]).of(KEY, WHOLE) is None


def test_the_same_cell_is_believed_before_other_tasks_of_its_model():
    sizes = FileSizes([record(written_bytes=1000), record(task="logiqa", written_bytes=9000)])
    found = sizes.of(KEY, WHOLE)
    assert found is not None
    assert found.likely == 1000
    other = sizes.of(TrajectoryKey(KEY.model, "mbpp", 0), WHOLE)
    assert other is not None
    assert (other.low, other.likely, other.high) == (1000, 5000, 9000)


def test_rows_that_earlier_work_left_count_for_the_file_and_not_for_what_is_lacking():
    found = FileSizes([record(n_samples=10, n_kept=90, written_bytes=1000)]).of(
        KEY, Missing(20, 100)
    )
    assert found is not None
    assert found.likely == 200

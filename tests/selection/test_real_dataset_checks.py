"""The checks on a dataset of the published size, drawn from all of GSM8K."""

import pytest

from quarry.benchmarks.draw import draw_rank
from quarry.benchmarks.source import BenchmarkSource
from quarry.necessity.pool import problem_of
from quarry.necessity.table import COLUMNS
from quarry.selection.columns import table_of
from quarry.selection.existing import read_existing
from quarry.selection.quotas import StrataSpec, parse_quotas
from quarry.selection.stratification import stratify
from tests.selection.right_dataset import Checked, result_of


@pytest.fixture(scope="module")
def published(shared_data) -> Checked:
    """450 items, the 132 published ones among them; who needs thoughts is decided by hash."""
    source = BenchmarkSource(shared_data)
    samples = [*(sample for split in ("test", "train") for sample in source.load("gsm8k", split))]
    problems = tuple(problem_of(sample) for sample in samples)
    results = [result_of(one, needs=draw_rank(7, one.id)[0] < 105) for one in problems]
    existing = read_existing(shared_data / "cot/llama_cot_all.json", samples)
    spec = StrataSpec(parse_quotas("2-step=150,3-step=150,4-step=100,5+step=50"))
    table = table_of(results, COLUMNS)
    logiqa = {sample.id: sample.input for sample in source.load("logiqa", "test")}
    dataset = stratify(table, existing, spec).rows
    return Checked(dataset, spec, table, existing, problems, {"logiqa": logiqa})


def test_the_published_dataset_has_no_findings(published):
    assert len(published.dataset) == 450
    assert published.findings() == []

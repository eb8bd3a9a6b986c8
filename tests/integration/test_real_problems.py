"""One grid cell each on real GSM8K, HumanEval and LogiQA problems with a tiny model."""

from pathlib import Path

import dagster as dg
import pandas as pd

from quarry.keys import TrajectoryKey
from quarry.trajectory.reader import TrajectoryReader
from tests.integration.small_platform import all_succeeded, open_platform, write_catalog


def test_real_problems_run_end_to_end_and_wrong_answers_are_called_wrong(
    tmp_path: Path, tiny_model: tuple[Path, Path], shared_data: Path
):
    catalog = write_catalog(
        tmp_path / "catalog.yaml",
        tiny_model[0],
        shared_data,
        n_samples=3,
        shots=[0],
        models={"tiny_raw": {"path": str(tiny_model[0]), "prompt_style": "raw"}},
    )
    with dg.instance_for_test() as instance:
        platform = open_platform(catalog, tmp_path / "data", instance)
        all_succeeded(list(platform.launcher.samples()))
        all_succeeded(list(platform.launcher.cells(platform.cells)))
        assert platform.damaged() == {}
    for cell in platform.cells:
        key = TrajectoryKey.from_partition(cell)
        labels = pd.read_parquet(platform.data_dir / key.labels_path)
        assert sum(labels["is_correct"]) == 0
        assert set(labels["verdict"]) <= {"incorrect", "no_answer", "truncated"}
        with TrajectoryReader(platform.file_of(cell)) as reader:
            assert reader.sample_ids == labels["sample_id"].tolist()
            assert all(sample.startswith(f"{key.task}/test/") for sample in reader.sample_ids)

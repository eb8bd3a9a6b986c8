"""A catalog of two models whose old files are looked for."""

from pathlib import Path

import pytest

from quarry.catalog import Catalog, load_catalog

CATALOG_YAML = """\
name: small
n_samples: 24
shots: [0, 8]
benchmark_source: {kind: mirror, path: mirror}
models:
  olmo3_base: {hub_id: allenai/Olmo-3-1025-7B, revision: main, prompt_style: raw}
  olmo3_sft: {hub_id: allenai/Olmo-3-7B-Think-SFT, revision: main, prompt_style: chat}
benchmarks:
  gsm8k: {format: gsm8k}
  humaneval: {format: humaneval, exemplars: {task: mbpp, split: train}}
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """The catalog, which lies in the test's folder."""
    (tmp_path / "catalog.yaml").write_text(CATALOG_YAML)
    return load_catalog(tmp_path / "catalog.yaml")

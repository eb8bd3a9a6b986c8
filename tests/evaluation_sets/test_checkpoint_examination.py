"""A set outlives its checkpoint: what can be said of it without, is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quarry.catalog_evaluation import EvaluationSpec
from quarry.data_directory import DataDirectory
from quarry.evaluation_sets.checkpoint_examination import examine_eval_set
from quarry.findings import Finding
from quarry.sampling.keys import SampledKey
from quarry.tables import write_table
from tests.evaluation_sets.graded_tables import mayors, write

KEY = SampledKey("mayors-1epoch", "checkpoint_final")


def examined(tmp_path: Path, **bounds: Any) -> list[Finding]:
    """Findings on a whole set whose checkpoint is not there."""
    files = DataDirectory(tmp_path / "data")
    write_table(mayors(), files.root / KEY.graded_path)
    write(files.root / KEY.set_path)
    lax = {"equivalence_rate": [0.0, 1.0], "prompts_covered": 0.0, "ungraded": 1.0, **bounds}
    domain = {"prompts": {"path": "mayors.jsonl"}, "rubric": "mayors", "bounds": lax}
    spec = EvaluationSpec.model_validate({"domains": {"mayors": domain}})
    findings, facts = examine_eval_set(spec, KEY, files, tmp_path)
    assert facts["interval"]
    return findings


def test_a_set_without_its_checkpoint_has_one_warning(tmp_path: Path) -> None:
    [found] = examined(tmp_path)
    assert (found.check, found.kind, found.severity) == (
        "masking_right",
        "no_checkpoint",
        "warning",
    )
    assert "checkpoint_final" in found.where
    assert found.cure


def test_all_else_is_examined_without_the_checkpoint(tmp_path: Path) -> None:
    checks = {found.check: found.severity for found in examined(tmp_path, ungraded=0.0)}
    assert checks == {"masking_right": "warning", "ungraded_share": "error"}

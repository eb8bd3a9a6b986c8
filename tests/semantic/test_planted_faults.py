"""Files that are wrong but whole: found by this check alone, and called by their names."""

from dataclasses import replace

import pytest

from quarry.semantic.checking import check_states
from quarry.trajectory.layout import States
from quarry.trajectory.manifest import manifest_path, write_manifest
from quarry.trajectory.scan import SampleScan
from quarry.trajectory.verification import verify
from tests.semantic.collected import Collected, collected, write
from tests.semantic.faults import INTACT, ZEROED, prompts_for_outputs
from tests.trajectory.examples import stage

MODELS = ["olmo3", "llama", "qwen3"]
DTYPES = ["float32", "bfloat16"]
PLACES = [(model, dtype, "prompt+output") for model in MODELS for dtype in DTYPES]
PLACES += [("olmo3", "bfloat16", "output"), ("llama", "float32", "prompt")]
N_CLEAN = 2


def a_fault_a_row(what: Collected) -> list[States]:
    """Each row with a fault of its own; the last ones are as they should be."""
    states = [row.hidden_states for row in what.rows]
    for index, planted in enumerate(INTACT.values()):
        states[index] = planted.fault(what)[index]
    return states


@pytest.mark.parametrize(("model", "dtype", "scope"), PLACES)
def test_wrong_but_intact_rows_are_found_and_explained(tiny, tmp_path, model, dtype, scope):
    what = collected(tiny(model, dtype), scope, n_rows=len(INTACT) + N_CLEAN)
    path = write(tmp_path, what, a_fault_a_row)
    assert verify(path, level="full").is_clean
    report = check_states(path, tiny(model, "float32"), n_rows=0)
    found = {name: [] for name in report.compared}
    for finding in report.findings:
        assert finding.severity == "error"
        found[str(finding.sample_id)].append(finding)
    told = {
        name: {(one.kind, planted.says in f"{one.what}, {one.where}") for one in rows}
        for (name, planted), rows in zip(INTACT.items(), found.values(), strict=False)
    }
    assert told == {name: {(planted.kind, True)} for name, planted in INTACT.items()}
    assert list(found.values())[-N_CLEAN:] == [[]] * N_CLEAN


CLEAN = [*PLACES, ("olmo3", "float32", "output"), ("qwen3", "bfloat16", "prompt")]
CLEAN += [(model, "bfloat16", "prompt+output") for model in ("qwen2", "gpt2", "gpt_neox")]


@pytest.mark.parametrize(("model", "dtype", "scope"), CLEAN)
def test_what_a_model_gave_is_confirmed(tiny, collect, tmp_path, model, dtype, scope):
    path = write(tmp_path, collect(model, dtype, scope))
    report = check_states(path, tiny(model, "float32"), n_rows=0)
    assert report.findings == ()
    assert report.facts["rows"] == 6
    assert report.facts["worst_error"] < report.facts["allowed_worst"] / 2
    assert (report.facts["worst_error"] > 1e-3) == (dtype == "bfloat16")


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_prompts_states_in_place_of_the_outputs_are_called_so(tiny, collect, tmp_path, dtype):
    path = write(tmp_path, collect("llama", dtype, "output"), prompts_for_outputs)
    report = check_states(path, tiny("llama", "float32"))
    assert {found.kind for found in report.findings} == {"position"}
    assert "the prompt's instead of the output's" in report.findings[0].what


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_zeroed_buffer_that_got_past_the_writer_is_found(
    tiny, collect, tmp_path, monkeypatch, dtype
):
    def scan_without_rules(row, header, where):
        scan = SampleScan()
        scan.add(row.hidden_states)
        return scan

    what = collect("olmo3", dtype, "prompt+output")
    monkeypatch.setattr("quarry.trajectory.writer.checked_scan", scan_without_rules)
    rows = [
        replace(row, hidden_states=fault(what)[index])
        for index, (row, (fault, _)) in enumerate(zip(what.rows, ZEROED.values(), strict=False))
    ]
    staged = stage(tmp_path, replace(what.header, n_samples=len(rows)), rows)
    write_manifest(manifest_path(staged.path), staged.manifest)
    assert "all_zero" in verify(staged.path, level="full").kinds()
    report = check_states(staged.path, tiny("olmo3", "float32"), n_rows=0)
    found = {finding.sample_id: finding for finding in report.findings}
    assert {finding.kind for finding in report.findings} == {"zeroed"}
    assert list(found) == list(report.compared)
    for finding, (_, says) in zip(found.values(), ZEROED.values(), strict=True):
        assert says in finding.where

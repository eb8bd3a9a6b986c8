"""What can't be told is said, and condemns no file."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
import torch

from quarry.errors import EngineMemoryError, IntegrityError, ModelLoadError
from quarry.inference.engine import InferenceEngine
from quarry.inference.engine_in_turn import EngineInTurn
from quarry.inference.transformers_engine import TransformersEngine
from quarry.semantic.checking import check_states, examine_states
from tests.semantic.collected import write
from tests.semantic.faults import INTACT
from tests.trajectory.examples import write_legacy


@pytest.fixture(scope="module")
def checkpoint(tiny, tmp_path_factory):
    """A copy of a checkpoint, whose files are newer, and the folder that it is in."""
    made = tiny("llama", "float32")
    folder = tmp_path_factory.mktemp("copies") / "llama"
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    return folder


def retrained(checkpoint, folder, by: float, only: str = "") -> TransformersEngine:
    """The same architecture with weights, or some, that differ by a share of their size."""
    shutil.copytree(checkpoint, folder)
    engine = TransformersEngine.load(folder, dtype="float32", device="cpu")
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in engine.model.named_parameters():
            if only not in name:
                continue
            weight += by * weight.std() * torch.randn_like(weight) if weight.dim() > 1 else 0
    return engine


@pytest.mark.parametrize(("by", "only"), [(0.05, ""), (2.0, ""), (0.5, "layers.3.")])
def test_other_weights_are_named_and_condemn_nothing(collect, checkpoint, tmp_path, by, only):
    path = write(tmp_path, collect("llama", "float32", "prompt+output"))
    report = check_states(path, retrained(checkpoint, tmp_path / "other", by, only))
    assert [(found.kind, found.severity) for found in report.findings] == [
        ("other_weights", "warning")
    ]
    assert not report.is_confirmed


@pytest.mark.parametrize(("by", "kind"), [(0.05, "imprecise"), (2.0, "unlike")])
def test_states_of_other_weights_than_the_file_names_condemn_it(
    collect, checkpoint, tmp_path, by, kind
):
    engine = retrained(checkpoint, tmp_path / "other", by)
    what = collect("llama", "float32", "prompt+output")
    header = replace(what.header, engine={**what.header.engine, **engine.describe()})
    report = check_states(write(tmp_path, replace(what, header=header)), engine)
    assert {(found.kind, found.severity) for found in report.findings} == {(kind, "error")}


def test_a_copied_checkpoint_counts_as_the_same_where_its_states_agree(
    collect, checkpoint, tmp_path
):
    path = write(tmp_path, collect("llama", "float32", "prompt+output"))
    with TransformersEngine.load(checkpoint, dtype="float32", device="cpu") as engine:
        report = check_states(path, engine)
    assert report.is_confirmed
    assert report.facts["weights"] == "other files"


def test_a_shift_is_a_shift_though_the_checkpoint_was_copied(collect, checkpoint, tmp_path):
    planted = INTACT["layers one too early"]
    path = write(tmp_path, collect("llama", "float32", "prompt+output"), planted.fault)
    with TransformersEngine.load(checkpoint, dtype="float32", device="cpu") as engine:
        found = check_states(path, engine).findings
    assert {(one.kind, one.severity) for one in found} == {("layer", "error")}


def test_a_model_of_another_size_is_refused_before_it_runs(tiny, collect, tmp_path):
    what = collect("llama", "float32", "prompt+output")
    wide = replace(what.header, layers=(0, 1, 40))
    report = check_states(write(tmp_path, replace(what, header=wide)), tiny("llama", "float32"))
    assert [(one.kind, one.severity) for one in report.findings] == [("other_model", "warning")]
    assert report.facts == {"rows": 0}


def test_a_damaged_file_is_not_compared(tiny, collect, tmp_path):
    path = write(tmp_path, collect("llama", "float32", "prompt+output"))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 100)
    with pytest.raises(IntegrityError):
        check_states(path, tiny("llama", "float32"))
    (found,) = examine_states(path, lambda: tiny("llama", "float32")).findings
    assert (found.kind, found.severity) == ("not_examined", "warning")


def test_a_file_of_an_older_pipeline_is_not_compared(tiny, tmp_path):
    (found,) = examine_states(
        write_legacy(tmp_path / "old_trajectories.h5"), lambda: tiny("llama", "float32")
    ).findings
    assert (found.kind, found.severity) == ("not_examined", "warning")


def test_states_that_float16_can_not_hold_contradict_a_finite_file(collect, checkpoint, tmp_path):
    what = collect("llama", "float32", "prompt+output")
    engine = retrained(checkpoint, tmp_path / "huge", 0.0)
    with torch.no_grad():
        engine.model.model.embed_tokens.weight *= 1e6
    header = replace(what.header, engine=engine.describe())
    report = check_states(write(tmp_path, replace(what, header=header)), engine)
    assert {(one.kind, one.severity) for one in report.findings} == {("not_storable", "error")}


def test_engines_take_turns_and_a_model_that_failed_is_not_loaded_again(tiny):
    opened: list[str] = []

    def open_engine(name: str):
        opened.append(name)
        if name == "broken":
            raise ModelLoadError("A checkpoint can't be read")
        return retired(name)

    def retired(name: str):
        class Counted:
            def close(self) -> None:
                opened.append(f"closed {name}")

        return Counted()

    with EngineInTurn(cast("Callable[[str], InferenceEngine]", open_engine)) as engines:
        assert engines.of("a") is engines.of("a")
        engines.of("b")
        for _ in range(2):
            with pytest.raises(ModelLoadError):
                engines.of("broken")
    assert opened == ["a", "closed a", "b", "closed b", "broken"]


def test_too_little_memory_is_no_verdict(collect, tmp_path):
    def open_engine():
        raise EngineMemoryError("A model does not fit the device", where="cuda:0")

    path = write(tmp_path, collect("llama", "float32", "prompt+output"))
    (found,) = examine_states(path, open_engine).findings
    assert (found.kind, found.severity) == ("not_examined", "warning")
    assert "does not fit" in found.what

"""Engines as assets open them: on leased devices, which are free again however the work ends."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from definitions import Deployment
from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.errors import DeviceBusyError, ModelLoadError, UsageError
from quarry.inference.engine import GenerationParameters, Prompt
from quarry.inference.lease_file import is_locked
from quarry.inference.leased_engine import LeasedEngine, lease_facts
from quarry.inference.leasing import EngineRequest, open_leased
from resources.engines import EngineResource
from tests.contracts.tiny_models import write_tiny_checkpoint

ROOT = Path(__file__).resolve().parents[2]
GPU = "GPU-11111111-0000-0000-0000-000000000001"
TWO_GPUS = f"0, {GPU}, NVIDIA H200, 143771\n1, {GPU[:-1]}2, NVIDIA H200, 143771\n"
PROMPT = Prompt("gsm8k/test/0", "Question: Tom has 12 apples.")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def leases(tmp_path: Path) -> Path:
    return tmp_path / "leases"


def catalog(checkpoint: Path, *, inference: dict | None = None, **model: object) -> Catalog:
    return Catalog.model_validate(
        {
            "name": "small",
            "benchmark_source": {"kind": "toy"},
            "models": {"tiny": {"path": str(checkpoint), "prompt_style": "raw", **model}},
            "benchmarks": {"gsm8k": {"format": "gsm8k"}},
            "inference": {"wait_minutes": 0, **(inference or {})},
        }
    )


def engines(leases: Path, **fields: str) -> EngineResource:
    return EngineResource(lease_dir=str(leases), **fields)  # pyright: ignore[reportArgumentType]


def lock(leases: Path, name: str = "cpu") -> Path:
    return leases / f"{name}.lock"


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that lists two GPUs, on a machine whose torch can use none."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat <<'EOF'\n{TWO_GPUS}EOF\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_an_engine_holds_its_device_until_it_is_closed(
    tmp_path: Path, leases: Path, checkpoint: Path
) -> None:
    files = DataDirectory(tmp_path)
    with engines(leases).open(catalog(checkpoint), "tiny", files) as engine:
        assert is_locked(lock(leases))
        assert engine.describe()["device"] == "cpu"
        [completion] = engine.run([PROMPT], GenerationParameters(max_new_tokens=3))
        assert len(completion.output_token_ids) <= 3
        assert engine.usage.completions == 1
        [states] = engine.states([engine.encode(PROMPT)], [0])
        assert states.shape == (len(engine.encode(PROMPT)), 1, engine.d_model)
        facts = lease_facts(engine)
    assert facts == {"device": "cpu", "lease": str(lock(leases)), "lease_waited_s": 0.0}
    assert facts == engine.facts
    assert not is_locked(lock(leases))


def test_the_device_is_free_after_an_error_in_the_block(
    tmp_path: Path, leases: Path, checkpoint: Path
) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        engines(leases).open(catalog(checkpoint), "tiny", DataDirectory(tmp_path)),
    ):
        raise ZeroDivisionError
    assert not is_locked(lock(leases))


def test_the_device_is_free_after_a_model_that_does_not_load(
    tmp_path: Path, leases: Path, checkpoint: Path
) -> None:
    broken = shutil.copytree(checkpoint, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelLoadError):
        engines(leases).open(catalog(broken), "tiny", DataDirectory(tmp_path))
    assert lock(leases).exists()
    assert not is_locked(lock(leases))


def test_the_device_is_free_even_if_the_engine_fails_to_close(
    tmp_path: Path, leases: Path, checkpoint: Path
) -> None:
    class Stubborn(LeasedEngine):
        def close(self) -> None:
            raise OSError("won't")

    opened = engines(leases).open(catalog(checkpoint), "tiny", DataDirectory(tmp_path))
    both = LeasedEngine(Stubborn(opened, opened.lease), opened.lease)
    with pytest.raises(OSError, match="won't"):
        both.close()
    assert not is_locked(lock(leases))


def test_a_device_in_use_is_waited_for_as_long_as_the_catalog_says(
    tmp_path: Path, leases: Path, checkpoint: Path
) -> None:
    files = DataDirectory(tmp_path)
    with (
        engines(leases).open(catalog(checkpoint), "tiny", files),
        pytest.raises(DeviceBusyError, match=f"process {os.getpid()}"),
    ):
        engines(leases).open(catalog(checkpoint), "tiny", files)


@pytest.mark.parametrize(
    ("fields", "inference", "named"),
    [
        ({}, {"devices": ["cuda:3"]}, "inference.devices"),
        ({"device": "cuda:3"}, {}, "QUARRY_DEVICE"),
        ({"device": "tpu"}, {}, "QUARRY_DEVICE"),
        ({"engine": "ollama"}, {}, "QUARRY_ENGINE"),
    ],
)
def test_what_does_not_exist_is_refused_and_says_where_it_was_set(
    tmp_path: Path,
    leases: Path,
    checkpoint: Path,
    fields: dict[str, str],
    inference: dict[str, object],
    named: str,
) -> None:
    entries = catalog(checkpoint, inference=inference)
    with pytest.raises(UsageError, match=named):
        engines(leases, **fields).open(entries, "tiny", DataDirectory(tmp_path))


@pytest.mark.usefixtures("two_gpus")
def test_a_torch_that_can_use_no_gpu_takes_the_cpu_and_says_so(
    leases: Path, checkpoint: Path
) -> None:
    lines: list[str] = []
    request = EngineRequest("tiny", lease_dir=leases)
    with open_leased(request, catalog(checkpoint), None, log=lines.append) as engine:
        assert engine.facts["device"] == "cpu"
    assert "can't use cuda:0 (NVIDIA H200) here: the CPU is used" in lines[0]


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_that_was_named_is_leased_by_its_own_name_and_freed_when_it_can_not_be_used(
    tmp_path: Path, leases: Path, checkpoint: Path
) -> None:
    with pytest.raises(ModelLoadError, match="cuda:1"):
        engines(leases, device="cuda:1").open(catalog(checkpoint), "tiny", DataDirectory(tmp_path))
    assert [path.stem for path in leases.iterdir()] == [f"{GPU[:-1]}2"]
    assert not is_locked(lock(leases, f"{GPU[:-1]}2"))


@pytest.mark.usefixtures("two_gpus")
def test_a_split_model_needs_all_its_gpus_at_once(
    tmp_path: Path, leases: Path, checkpoint: Path
) -> None:
    entries = catalog(checkpoint, engine="vllm", tensor_parallel=3)
    with pytest.raises(UsageError, match="tensor_parallel"):
        engines(leases).open(entries, "tiny", DataDirectory(tmp_path))
    assert not leases.exists()


def test_the_run_is_named_in_the_lease_and_the_lease_in_the_log_of_the_run(
    tmp_path: Path, leases: Path, checkpoint: Path
) -> None:
    cells = dg.StaticPartitionsDefinition(["gsm8k-0shot"])
    seen: list[dict] = []

    @dg.asset(partitions_def=cells)
    def collected(engines: EngineResource) -> dg.MaterializeResult:
        with engines.open(catalog(checkpoint), "tiny", DataDirectory(tmp_path)) as engine:
            seen.append(json.loads(lock(leases).read_text()))
        return dg.MaterializeResult(metadata=lease_facts(engine))

    with dg.instance_for_test() as instance:
        result = dg.materialize(
            [collected],
            partition_key="gsm8k-0shot",
            resources={"engines": engines(leases)},
            instance=instance,
        )
        [holder] = seen
        assert (holder["run_id"], holder["pid"]) == (result.run_id, os.getpid())
        assert holder["work"] == "tiny, gsm8k-0shot"
        lines = [record.user_message for record in instance.all_logs(result.run_id)]
    assert any(line.startswith("leased cpu") for line in lines)
    [made] = result.asset_materializations_for_node("collected")
    assert made.metadata["device"].value == "cpu"
    assert made.metadata["lease"].value == str(lock(leases))


@pytest.fixture
def real_instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with the project's own settings."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def test_what_the_core_warns_of_is_in_the_log_of_the_run(
    real_instance: dg.DagsterInstance,
) -> None:
    @dg.op
    def shrinking() -> None:
        from quarry.inference.batching import AdaptiveBatches

        def work(batch):
            if len(batch) > 1:
                raise MemoryError("out of memory")
            return list(batch)

        assert list(AdaptiveBatches(2, "generation").map([1, 2], work)) == [1, 2]

    @dg.job
    def job() -> None:
        shrinking()

    result = job.execute_in_process(instance=real_instance)
    records = real_instance.all_logs(result.run_id)
    [found] = [one for one in records if "out of memory in generation" in one.user_message]
    assert "going on with 1" in found.user_message
    assert found.level == 30


def test_the_settings_of_a_deployment_reach_the_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import definitions

    monkeypatch.setenv("QUARRY_ENGINE", "vllm")
    monkeypatch.setenv("QUARRY_VLLM_PYTHON", "python-with-vllm")
    monkeypatch.setenv("QUARRY_LEASE_DIR", str(tmp_path / "own"))
    monkeypatch.setenv("QUARRY_DEVICE", "cuda:0,cuda:1")
    set_up = definitions.current_deployment().engines()
    assert (set_up.engine, set_up.vllm_python) == ("vllm", "python-with-vllm")
    assert (set_up.lease_dir, set_up.device) == (str(tmp_path / "own"), "cuda:0,cuda:1")


def test_deployments_of_one_machine_share_their_leases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUARRY_LEASE_DIR")
    places = {
        Deployment(ROOT / "catalog/demo.yaml", tmp_path / name).engines().lease_dir
        for name in ("one", "two")
    }
    assert places == {""}

"""A checkpoint that can't be used ends in one clear message; nothing in it is ever executed."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import BertConfig, BertForMaskedLM

from quarry.catalog import ModelSpec
from quarry.errors import ModelLoadError
from quarry.inference.cpu_threads import let_threads_sleep
from quarry.inference.engine import GenerationParameters, Prompt
from quarry.inference.engine_settings import EngineSettings
from quarry.inference.loading import open_engine
from quarry.inference.transformers_engine import TransformersEngine
from tests.contracts.tiny_models import write_tiny_checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_tiny_checkpoint(tmp_path / "model", "llama")


def refusal(directory: Path, device: str = "cpu", dtype: str = "auto") -> str:
    with pytest.raises(ModelLoadError) as caught:
        TransformersEngine.load(directory, device=device, dtype=dtype)
    assert set(caught.value.parts()) == {"what", "where", "expected", "got", "fix"}
    return str(caught.value)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nowhere")
    assert "lacks a directory" in message
    assert "nowhere" in message


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    assert name.removeprefix("model") in refusal(checkpoint).splitlines()[0]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused(checkpoint: Path, name: str, share: float) -> None:
    path = checkpoint / name
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert "can't be read" in refusal(checkpoint)


def test_weights_that_are_missing_are_not_filled_with_random_numbers(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 4}))
    message = refusal(checkpoint)
    assert "lacks 9 weights" in message
    assert "layers.3" in message


def test_weights_of_another_shape_are_refused(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
    refusal(checkpoint)


def test_a_model_that_predicts_no_next_token_is_refused(checkpoint: Path) -> None:
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=50)
    BertForMaskedLM(config).save_pretrained(checkpoint)
    assert "not a causal language model" in refusal(checkpoint)


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_pickled_weights_are_never_opened(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    assert "convert them to safetensors" in refusal(checkpoint)
    assert not (tmp_path / "exploded").exists()


def test_code_in_a_repository_is_never_run(checkpoint: Path, tmp_path: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    custom = {"AutoConfig": "evil.EvilConfig", "AutoModelForCausalLM": "evil.EvilModel"}
    changed = {**config, "model_type": "evil", "auto_map": custom}
    (checkpoint / "config.json").write_text(json.dumps(changed))
    (checkpoint / "evil.py").write_text(f"import os; os.mkdir({str(tmp_path / 'exploded')!r})")
    refusal(checkpoint)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("device", ["cuda:99", "quantum"])
def test_a_device_that_does_not_exist_is_refused(checkpoint: Path, device: str) -> None:
    assert "A device does not exist here" in refusal(checkpoint, device=device)


def test_an_unknown_dtype_is_refused(checkpoint: Path) -> None:
    assert "bfloat16" in refusal(checkpoint, dtype="int4")


@pytest.mark.parametrize(
    ("dtype", "expected"), [("auto", "float32"), ("bfloat16", "bfloat16"), ("float32", "float32")]
)
def test_the_dtype_is_the_one_asked_for_and_float32_by_default_on_a_cpu(
    checkpoint: Path, dtype: str, expected: str
) -> None:
    with TransformersEngine.load(checkpoint, device="cpu", dtype=dtype) as engine:
        assert engine.describe()["dtype"] == expected
        (completion,) = engine.run([Prompt("toy/0", "Tom")], GenerationParameters(3))
        assert len(completion.output_token_ids) >= 1


def test_a_catalog_entry_opens_its_path_with_its_batch_size(checkpoint: Path) -> None:
    spec = ModelSpec(path=checkpoint, prompt_style="raw", batch_size=5)
    with open_engine("tiny", spec, None, EngineSettings(devices=("cpu",))) as engine:
        assert engine.describe()["batch_size"] == 5
    with open_engine("tiny", spec, None, EngineSettings(devices=("cpu",), batch_size=2)) as engine:
        assert engine.describe()["batch_size"] == 2


def test_a_recipe_opens_the_checkpoint_that_the_platform_trained(checkpoint: Path) -> None:
    spec = ModelSpec(recipe="base", prompt_style="raw")
    with open_engine("demo", spec, checkpoint, EngineSettings(devices=("cpu",))) as engine:
        assert engine.n_layers == 3
    with pytest.raises(ModelLoadError, match="materialise `model_checkpoints` for demo"):
        open_engine("demo", spec, None)


def test_a_sharded_checkpoint_with_a_lost_shard_is_refused(checkpoint: Path) -> None:
    with TransformersEngine.load(checkpoint, device="cpu") as engine:
        (checkpoint / "model.safetensors").unlink()
        engine.model.save_pretrained(checkpoint, max_shard_size="20KB")
    shards = sorted(checkpoint.glob("model-*.safetensors"))
    assert len(shards) > 2
    TransformersEngine.load(checkpoint, device="cpu").close()
    shutil.move(shards[1], checkpoint.parent)
    assert shards[1].name in refusal(checkpoint)


def test_a_hub_that_can_not_be_reached_is_said_with_what_to_do(tmp_path: Path) -> None:
    program = (
        "from quarry.catalog import ModelSpec; from quarry.inference.loading import open_engine;"
        "from quarry.inference.engine_settings import EngineSettings;"
        "from quarry.errors import ModelLoadError\n"
        "spec = ModelSpec(hub_id='allenai/Olmo-3-1025-7B', revision='main', prompt_style='raw')\n"
        "try: open_engine('olmo3_base', spec, None, EngineSettings(devices=('cpu',)))\n"
        "except ModelLoadError as error: print(error)"
    )
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=offline, capture_output=True, text=True, check=True
    )
    assert "allenai/Olmo-3-1025-7B at revision main" in done.stdout
    assert "without network, download it where there is one" in done.stdout
    assert "Traceback" not in done.stderr


def test_importing_the_loader_imports_no_heavy_library() -> None:
    program = (
        "import sys, quarry.inference.loading;"
        "print({'torch', 'transformers', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_idle_threads_sleep_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    let_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    let_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"

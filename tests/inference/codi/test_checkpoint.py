"""Checkpoints in the published format are read as PEFT reads them; what is wrong is named."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import save_file

from quarry.errors import ModelLoadError
from quarry.inference.codi.checkpoint import load_codi
from quarry.inference.codi.model import CodiModel
from quarry.inference.codi.settings import CodiCheckpoint
from tests.contracts.tiny_models import tiny_tokenizer
from tests.inference.codi_checkpoints import (
    SPECIAL,
    base_model,
    plain_state,
    random_projection,
    write_base,
    write_state,
)

RANK, ALPHA = 4, 12.0
TARGETS = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj", "gate_proj"],
    "gpt2": ["c_attn", "c_proj", "c_fc"],
}
VOCABULARY = len(tiny_tokenizer())
TOKENS = torch.tensor([[5, 17, VOCABULARY, 99, 3, VOCABULARY + 1, VOCABULARY + 2]])
"""Also the three that CODI adds."""

State = dict[str, torch.Tensor]


def trained(architecture: str) -> tuple[peft.PeftModel, State]:
    """A base model in PEFT's wrapping, A and B random, and the state dict of CODI with it."""
    model = base_model(architecture, SPECIAL)
    config = peft.LoraConfig(
        r=RANK,
        lora_alpha=int(ALPHA),
        target_modules=TARGETS[architecture],
        fan_in_fan_out=architecture == "gpt2",
    )
    wrapped = peft.get_peft_model(model, config).eval()
    stream = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in wrapped.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn(weight.shape, generator=stream) * 0.2)
    state = {f"codi.{name}": one.detach().clone() for name, one in wrapped.state_dict().items()}
    return wrapped, {**state, **random_projection(model.config.hidden_size)}


def logits_of(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=TOKENS).logits


def save_bin(state: State, folder: Path) -> None:
    torch.save(state, folder / "pytorch_model.bin")


def save_safetensors(state: State, folder: Path) -> None:
    save_file({name: one.contiguous() for name, one in state.items()}, folder / "model.safetensors")


def save_shards(state: State, folder: Path) -> None:
    names = sorted(state)
    files = {name: f"pytorch_model-{place % 2 + 1:05}.bin" for place, name in enumerate(names)}
    for file in set(files.values()):
        torch.save({name: state[name] for name in names if files[name] == file}, folder / file)
    index = {"metadata": {}, "weight_map": files}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "base", "llama")


def opened(folder: Path, base: Path | None, dtype: str = "auto") -> CodiModel:
    return load_codi(CodiCheckpoint(folder, base, lora_alpha=ALPHA), device="cpu", dtype=dtype)


def refusal(state: State, base: Path, tmp_path: Path) -> str:
    """The message with which a state dict is refused."""
    with pytest.raises(ModelLoadError) as caught:
        opened(write_state(tmp_path / "weights", state), base)
    return str(caught.value)


@pytest.mark.parametrize("save", [save_safetensors, save_bin, save_shards])
@pytest.mark.parametrize("architecture", TARGETS)
def test_merged_lora_gives_the_logits_of_peft(
    architecture: str, save: Callable[[State, Path], None], tmp_path: Path
) -> None:
    wrapped, state = trained(architecture)
    (tmp_path / "weights").mkdir()
    save(state, tmp_path / "weights")
    model = opened(tmp_path / "weights", write_base(tmp_path / "base", architecture))
    expected = logits_of(wrapped)
    torch.testing.assert_close(logits_of(model.model), expected, rtol=1e-4, atol=1e-3)
    with wrapped.disable_adapter():
        assert float((logits_of(wrapped) - expected).abs().max()) > 1, "LoRA must matter"
    assert model.describe()["n_adapted_layers"] == len(TARGETS[architecture]) * 3 + (
        3 if architecture == "gpt2" else 0
    )
    assert (model.tokens.pad, model.tokens.bot, model.tokens.eot) == tuple(
        range(VOCABULARY, VOCABULARY + SPECIAL)
    )


def test_a_checkpoint_of_adapters_takes_the_base_models_weights_and_says_so(
    base: Path, tmp_path: Path
) -> None:
    wrapped, state = trained("llama")
    kept = ("lora_", "embed_tokens", "lm_head", "prj.")
    few = {name: one for name, one in state.items() if any(part in name for part in kept)}
    assert len(few) < len(state)
    # The three new tokens shift the random numbers of everything after them.
    stored = base_model("llama", SPECIAL)
    stored.resize_token_embeddings(VOCABULARY)
    stored.save_pretrained(base)
    model = opened(write_state(tmp_path / "weights", few), base)
    torch.testing.assert_close(logits_of(model.model), logits_of(wrapped), rtol=1e-4, atol=1e-3)
    assert "weights are the base model's" in model.describe()["remarks"][0]


@pytest.mark.parametrize("has_norm", [True, False, None])
def test_the_projection_is_what_its_weights_say(
    has_norm: bool | None, base: Path, tmp_path: Path
) -> None:
    state = {name: one for name, one in plain_state("llama").items() if name[:4] != "prj."}
    if has_norm is not None:
        state |= random_projection(64, has_norm=has_norm)
    model = opened(write_state(tmp_path / "weights", state), base)
    assert model.describe()["has_projection"] == (has_norm is not None)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("codi.model.layers.1.mlp.up_proj.weight", "lacks 1 weights"),
        ("prj.3.bias", "weights of its projection"),
        ("prj.ln.bias", "weights of its projection"),
    ],
)
def test_a_missing_weight_is_named(wrong: str, named: str, base: Path, tmp_path: Path) -> None:
    state = {name: one for name, one in plain_state("llama").items() if name != wrong}
    message = refusal(state, base, tmp_path)
    assert named in message
    assert wrong.removeprefix("codi.") in message


@pytest.mark.parametrize(
    "name", ["coconut.model.norm.weight", "codi.model.layers.0.extra.weight", "prj.5.weight"]
)
def test_an_unknown_weight_is_named(name: str, base: Path, tmp_path: Path) -> None:
    message = refusal({**plain_state("llama"), name: torch.ones(2)}, base, tmp_path)
    assert name.removeprefix("codi.") in message


def test_half_of_a_lora_pair_is_refused(base: Path, tmp_path: Path) -> None:
    _, state = trained("llama")
    half = "codi.base_model.model.model.layers.0.self_attn.q_proj.lora_B.default.weight"
    del state[half]
    assert "layers.0.self_attn.q_proj" in refusal(state, base, tmp_path)


def test_a_second_adapter_is_refused(base: Path, tmp_path: Path) -> None:
    _, state = trained("llama")
    name = "codi.base_model.model.model.layers.0.self_attn.q_proj.lora_B.default.weight"
    state[name.replace("default", "other")] = state[name].clone()
    assert "default, other" in refusal(state, base, tmp_path)


def test_lora_of_another_shape_is_refused(base: Path, tmp_path: Path) -> None:
    _, state = trained("llama")
    name = "codi.base_model.model.model.layers.0.self_attn.q_proj.lora_B.default.weight"
    state[name] = state[name][:-1]
    assert "LoRA of another shape" in refusal(state, base, tmp_path)


def test_embeddings_without_the_three_tokens_are_refused(base: Path, tmp_path: Path) -> None:
    state = plain_state("llama")
    name = "codi.model.embed_tokens.weight"
    assert f"({VOCABULARY}, 64) instead of ({VOCABULARY + SPECIAL}, 64)" in refusal(
        {**state, name: state[name][:-SPECIAL]}, base, tmp_path
    )


def test_tied_output_weights_follow_the_embeddings(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", "gpt2")
    state = plain_state("gpt2")
    expected = logits_of(opened(write_state(tmp_path / "with", state), base).model)
    del state["codi.lm_head.weight"]
    found = logits_of(opened(write_state(tmp_path / "without", state), base).model)
    torch.testing.assert_close(found, expected)


def test_constants_that_older_versions_stored_are_passed_over(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", "gpt2")
    mask = {"codi.transformer.h.0.attn.bias": torch.ones(1, 1, 4, 4)}
    opened(write_state(tmp_path / "weights", {**plain_state("gpt2"), **mask}), base)


def test_weights_config_and_tokenizer_may_share_a_folder(base: Path) -> None:
    assert opened(write_state(base, plain_state("llama")), None).n_layers == 3


def test_the_dtype_is_the_one_asked_for(base: Path, tmp_path: Path) -> None:
    model = opened(write_state(tmp_path / "weights", plain_state("llama")), base, "bfloat16")
    assert model.describe()["dtype"] == "bfloat16"


class Bomb:
    """Leaves a folder behind when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("way", ["torch", "plain"])
def test_a_pickle_that_would_run_code_is_refused_unopened(
    way: str, base: Path, tmp_path: Path
) -> None:
    weights, crater = tmp_path / "weights", tmp_path / "crater"
    weights.mkdir()
    bomb = {**plain_state("llama"), "codi.bomb": Bomb(crater)}
    if way == "torch":
        torch.save(bomb, weights / "pytorch_model.bin")
    else:
        (weights / "pytorch_model.bin").write_bytes(pickle.dumps(bomb))
    with pytest.raises(ModelLoadError, match="never opened"):
        opened(weights, base)
    assert not crater.exists()
    torch.load(weights / "pytorch_model.bin", weights_only=False) if way == "torch" else (
        pickle.loads((weights / "pytorch_model.bin").read_bytes())
    )
    assert crater.exists(), "the bomb must be one"


@pytest.mark.parametrize("content", [[1, 2], {"model": {"a": torch.ones(1)}}])
def test_what_is_no_dictionary_of_tensors_is_refused(
    content: object, base: Path, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match="plain dictionary of tensors"):
        opened(tmp_path, base)


@pytest.mark.parametrize("shard", ["gone.bin", "../elsewhere.bin"])
def test_a_missing_shard_is_named_and_none_is_read_from_elsewhere(
    shard: str, base: Path, tmp_path: Path
) -> None:
    torch.save({}, tmp_path / "elsewhere.bin")
    weights = tmp_path / "weights"
    weights.mkdir()
    index = {"weight_map": {"codi.a": shard}}
    (weights / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelLoadError, match=f"no file '{shard}'"):
        opened(weights, base)


def test_an_empty_folder_is_refused(base: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    with pytest.raises(ModelLoadError, match="has no weights"):
        opened(tmp_path / "weights", base)

"""vLLM without quarry, and the two passes that collections were made with: see `inference_worker`.

    <the interpreter that has vLLM> bench/inference_vllm.py

A job with `layers` is done in two passes: vLLM generates, then transformers with hooks
runs prompt and output once more, one text at a time, tokenised again. Without, vLLM only generates.
"""

# vLLM is not installed where types are checked.
# pyright: reportMissingImports=false
from __future__ import annotations

from typing import Any

from inference_worker import Facts, Way, device_memory_bytes, serve, wait_for_device


def open_vllm(settings: Facts) -> Way:
    """`vllm.LLM` with the options that quarry's engine gives it."""
    import os

    os.environ |= {"VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    is_on_cpu = settings["device"] == "cpu"
    if is_on_cpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from vllm import LLM, SamplingParams

    options: Facts = {"gpu_memory_utilization": settings["memory_share"]}
    if is_on_cpu:
        options = {
            "enforce_eager": True,
            "block_size": 32,
            "kv_cache_memory_bytes": 1 << 30,
            # A seeded request whose prompt is split ends vLLM 0.32 on a CPU: its generators have
            # no offset that could be set back.
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": 4096,
        }
    llm = LLM(
        settings["checkpoint"],
        dtype=settings["dtype"],
        max_num_seqs=settings["batch_size"],
        generation_config="vllm",
        seed=0,
        **options,
    )
    second = _Hooks(settings) if settings["has_second_model"] else None

    def work(job: Facts) -> Facts:
        sampling = SamplingParams(
            n=job["n"],
            max_tokens=job["max_new_tokens"],
            temperature=job["temperature"],
            # As quarry asks for it: what is sampled depends on the prompt, not on its batch.
            seed=job["seed"] if job["temperature"] > 0 else None,
            stop_token_ids=settings["end_ids"],
        )
        outputs = llm.generate(job["prompts"], sampling, use_tqdm=False)
        completions = [(output.prompt, one) for output in outputs for one in output.outputs]
        facts = {"output_tokens": sum(len(one.token_ids) for _, one in completions)}
        if second is not None and job["layers"]:
            texts = [f"{prompt} {one.text}" for prompt, one in completions]
            facts["states"] = second.capture(texts, job["layers"])
        facts["device_bytes"] = device_memory_bytes(settings["device"])
        return facts

    return work


class _Hooks:
    """A second copy of the model, in transformers, whose blocks' outputs are copied by hooks."""

    def __init__(self, settings: Facts) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._device = settings["device"]
        self._tokenizer: Any = AutoTokenizer.from_pretrained(settings["checkpoint"])
        model: Any = AutoModelForCausalLM.from_pretrained(
            settings["checkpoint"], dtype=getattr(torch, settings["dtype"])
        )
        self._model = model.to(self._device).eval()

    def capture(self, texts: list[str], layers: list[int]) -> int:
        """Run each text alone; how many tokens' states were kept."""
        import numpy as np
        import torch

        kept: list[Any] = []

        def keep(module: object, inputs: object, output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output
            kept.append(states[0].to(torch.float16).cpu().numpy())

        blocks = self._model.model.layers
        hooks = [blocks[layer].register_forward_hook(keep) for layer in layers]
        n_states = 0
        with torch.inference_mode():
            for text in texts:
                kept.clear()
                ids = self._tokenizer(text, return_tensors="pt")["input_ids"].to(self._device)
                self._model(ids)
                n_states += len(np.stack(kept, axis=1))
        for hook in hooks:
            hook.remove()
        wait_for_device(self._device)
        return n_states


if __name__ == "__main__":
    serve(open_vllm)

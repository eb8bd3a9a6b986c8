"""Ways of inference that run in quarry's environment, each as a process: see `inference_worker`.

    python bench/inference_ways.py quarry|generate

`quarry` is an engine of the platform, `generate` transformers' own `generate` in chunks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from inference_worker import Facts, Way, device_memory_bytes, serve, wait_for_device


def open_quarry(settings: Facts) -> Way:
    """An engine of the platform; jobs generate (and capture), or capture given tokens."""
    from quarry.catalog import ModelSpec
    from quarry.inference.engine import CaptureSpec, GenerationParameters, InferenceEngine, Prompt
    from quarry.inference.engine_settings import EngineSettings
    from quarry.inference.loading import open_engine

    spec = ModelSpec(
        path=Path(settings["checkpoint"]),
        prompt_style="raw",
        dtype=settings["dtype"],
        batch_size=settings["batch_size"],
    )
    chosen = EngineSettings(
        engine=settings["engine"],
        devices=(settings["device"],),
        memory_share=settings["memory_share"],
        vllm_python=settings["engine_python"],
    )
    engine: InferenceEngine = open_engine("bench", spec, None, chosen)

    def generate(job: Facts) -> Facts:
        parameters = GenerationParameters(
            job["max_new_tokens"], job["temperature"], n=job["n"], seed=job["seed"]
        )
        prompts = [
            Prompt(f"bench/{job['seed']}/{n}", text) for n, text in enumerate(job["prompts"])
        ]
        capture = CaptureSpec(tuple(job["layers"])) if job["layers"] else None
        n_output = n_states = 0
        for completion in engine.run(prompts, parameters, capture):
            n_output += len(completion.output_token_ids)
            if completion.hidden_states is not None:
                n_states += len(completion.hidden_states)
        return {"output_tokens": n_output, "states": n_states}

    def capture(job: Facts) -> Facts:
        sequences = job["sequences"]
        calls = [[sequence] for sequence in sequences] if job["is_alone"] else [sequences]
        states = (one for call in calls for one in engine.states(call, job["layers"]))
        return {"states": sum(len(one) for one in states)}

    def work(job: Facts) -> Facts:
        before = engine.usage
        facts = generate(job) if "prompts" in job else capture(job)
        usage = engine.usage.since(before)
        is_gpu = settings["device"] != "cpu"
        return {
            **facts,
            "engine_start_s": usage.start_s,
            "device_bytes": usage.peak_memory_bytes if is_gpu else 0,
            "remarks": list(usage.remarks),
        }

    return work


def open_generate(settings: Facts) -> Way:
    """`generate` of transformers with `num_return_sequences`, one prompt after the other."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    checkpoint, device = settings["checkpoint"], settings["device"]
    tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint)
    model: Any = AutoModelForCausalLM.from_pretrained(
        checkpoint, dtype=getattr(torch, settings["dtype"])
    )
    model = model.to(device).eval()

    def work(job: Facts) -> Facts:
        torch.manual_seed(job["seed"])
        is_sampled = job["temperature"] > 0
        sampling = {"temperature": job["temperature"], "top_k": 0} if is_sampled else {}
        n_output = 0
        for text in job["prompts"]:
            ids = torch.tensor([tokenizer(text)["input_ids"]], device=device)
            for first in range(0, job["n"], settings["batch_size"]):
                rows = model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    do_sample=is_sampled,
                    num_return_sequences=min(settings["batch_size"], job["n"] - first),
                    max_new_tokens=job["max_new_tokens"],
                    **sampling,
                )[:, ids.shape[1] :]
                tokenizer.batch_decode(rows, skip_special_tokens=True)
                n_output += sum(_length(row, settings["end_ids"]) for row in rows.tolist())
        wait_for_device(device)
        return {"output_tokens": n_output, "device_bytes": device_memory_bytes(device)}

    return work


def _length(row: list[int], end_ids: list[int]) -> int:
    """Tokens up to the first that ends a completion, that one included."""
    ends = set(end_ids)
    return next((n + 1 for n, token in enumerate(row) if token in ends), len(row))


if __name__ == "__main__":
    serve({"quarry": open_quarry, "generate": open_generate}[sys.argv[1]])

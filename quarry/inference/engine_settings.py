"""`EngineSettings`: which engine runs a model, where, and how much it may take.

What is run is in `engine`; which checkpoint a catalog entry means, in `loading`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EngineName = Literal["transformers", "vllm"]


@dataclass(frozen=True)
class EngineSettings:
    """How an engine is opened.

    Args:
        engine: which one.
        devices: `("auto",)`, `("cpu",)`, or CUDA devices such as `("cuda:0", "cuda:1")`, over
            which the weights are split (vLLM only).
        batch_size: sequences at once; None takes the catalog's.
        memory_share: share of a GPU's memory that vLLM may take for weights and cache, in (0, 1].
        spool_bytes: most memory for hidden states on their way from vLLM to the file.
        vllm_python: the interpreter that has vLLM; empty for the one that runs this.
        max_batch_tokens: most tokens that vLLM runs in one step; None takes its default.
        memory_limit_bytes: limit on the address space of vLLM's processes; None for none.
        lease_fds: descriptors that a process which holds the devices' memory inherits
            (`pass_fds`), so that their lease lasts as long as it lives; see `lease`.
    """

    engine: EngineName = "transformers"
    devices: tuple[str, ...] = ("auto",)
    batch_size: int | None = None
    memory_share: float = 0.9
    spool_bytes: int = 4 << 30
    vllm_python: str = ""
    memory_limit_bytes: int | None = None
    max_batch_tokens: int | None = None
    lease_fds: tuple[int, ...] = ()

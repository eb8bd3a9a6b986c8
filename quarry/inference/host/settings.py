"""`HostSettings`: all that the host process needs to know to start vLLM."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

# Positions beyond the context that vLLM must allow for: a completion that fills the context runs
# its last token too, and vLLM drops the states of a step that ends within one token of its limit.
SPARE_POSITIONS = 8


@dataclass(frozen=True)
class HostSettings:
    """How vLLM is started.

    Args:
        source: a directory, or a hub id.
        revision: the hub revision; None for a directory.
        dtype: `float32`, `bfloat16` or `float16`.
        context_length: most tokens, prompt and output together.
        batch_size: sequences at once.
        layers: decoder blocks whose outputs are captured, ascending; empty captures nothing.
        devices: CUDA devices over which the weights are split, or `cpu`, once a rank.
        memory_share: share of a GPU's memory that vLLM may take.
        cpu_cache_bytes: size of the key-value cache on a CPU.
        spool: path of the shared memory that takes hidden states; empty where none are captured.
        max_batch_tokens: most tokens of one step; None takes vLLM's default.
        memory_limit_bytes: limit on the address space of the host and its children; None for none.
    """

    source: str
    revision: str | None
    dtype: str
    context_length: int
    batch_size: int
    layers: tuple[int, ...]
    devices: tuple[str, ...]
    memory_share: float
    cpu_cache_bytes: int
    spool: str = ""
    max_batch_tokens: int | None = None
    memory_limit_bytes: int | None = None

    @property
    def is_on_cpu(self) -> bool:
        """Whether there is no GPU."""
        return set(self.devices) == {"cpu"}

    def halved(self) -> HostSettings:
        """Half of the sequences, of the GPU's memory and of the cache."""
        return replace(
            self,
            batch_size=max(1, self.batch_size // 2),
            memory_share=self.memory_share / 2,
            cpu_cache_bytes=self.cpu_cache_bytes // 2,
        )

    def between(self, other: HostSettings) -> HostSettings:
        """As many sequences, with memory half-way to that of other settings."""
        return replace(
            self,
            memory_share=(self.memory_share + other.memory_share) / 2,
            cpu_cache_bytes=(self.cpu_cache_bytes + other.cpu_cache_bytes) // 2,
        )

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> HostSettings:
        """Read what `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        values |= {name: tuple(values[name]) for name in ("layers", "devices")}
        return cls(**values)

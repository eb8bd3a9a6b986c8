"""`HiddenStateConnector`: copies hidden states out of vLLM's cache into the spool.

While a request runs, vLLM keeps the states of its tokens in pages of their own, beside keys and
values. When the request ends, its pages are held until they are copied: on a CPU at once, on a GPU
on a stream of its own, through pinned memory, while the next steps run. Pages that a request
shares with an earlier one through the prefix cache hold the states of the same tokens.

With tensor parallelism every rank has all states; rank 0 copies. Runs in vLLM's processes only.
"""

# vLLM is not installed where types are checked.
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUntypedBaseClass=false, reportUnknownParameterType=false
# pyright: reportUnknownLambdaType=false
from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch
from vllm.config import get_layers_from_vllm_config
from vllm.distributed.kv_transfer.kv_connector.v1.base import (
    KVConnectorBase_V1,
    KVConnectorMetadata,
    SupportsHMA,
)
from vllm.distributed.parallel_state import get_tensor_model_parallel_rank
from vllm.model_executor.models.extract_hidden_states import CacheOnlyAttentionLayer
from vllm.v1.kv_cache_interface import HiddenStateCacheSpec

from quarry.inference.host.spool import FAILED, NOTHING, Spool


@dataclass(frozen=True)
class Copy:
    """The pages of one finished request and where their states go."""

    request_id: str
    block_ids: tuple[int, ...]
    slot: int
    offset_bytes: int
    start: int
    stop: int


@dataclass
class Copies(KVConnectorMetadata):
    """What the scheduler tells the worker in a step."""

    due: list[Copy] = field(default_factory=list[Copy])


class HiddenStateConnector(KVConnectorBase_V1, SupportsHMA):
    """One object in the scheduler, which decides what is copied, and one in each worker."""

    def __init__(self, vllm_config: Any, role: Any, kv_cache_config: Any) -> None:
        """Find the pages that hold states, and map the spool."""
        super().__init__(vllm_config=vllm_config, role=role, kv_cache_config=kv_cache_config)
        groups = kv_cache_config.kv_cache_groups
        own = [i for i, g in enumerate(groups) if isinstance(g.kv_cache_spec, HiddenStateCacheSpec)]
        # A model whose layers all attend alike shares one group of pages with its states.
        self._group = own[0] if own else 0
        self._block_size = int(groups[self._group].kv_cache_spec.block_size)
        self._spool = Spool.open(self._kv_transfer_config.get_from_extra_config("spool", ""))
        self._due: list[Copy] = []
        self._cache = torch.empty(0)
        self._is_copying = True
        self._stream: Any = None
        self._writers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="quarry-states")
        self._under_way: dict[str, Future[None]] = {}

    @classmethod
    def get_required_kvcache_layout(cls, vllm_config: Any) -> str | None:
        """All states of a token side by side."""
        return "LBNHC"

    def get_finished_count(self) -> int:
        """One rank reports for all."""
        return 1

    # In the scheduler.

    def get_num_new_matched_tokens(
        self, request: Any, num_computed_tokens: int
    ) -> tuple[int | None, bool]:
        """Nothing is ever loaded."""
        return 0, False

    def update_state_after_alloc(self, request: Any, blocks: Any, num_external_tokens: int) -> None:
        """Nothing is ever loaded."""

    def request_finished_all_groups(
        self, request: Any, block_ids: tuple[list[int], ...]
    ) -> tuple[bool, dict[str, Any] | None]:
        """Have the states of a finished request copied before its pages are freed."""
        order = (request.kv_transfer_params or {}).get("quarry")
        if order is None:
            return False, None
        stop = min(int(order["stop"]), int(request.num_computed_tokens))
        if stop <= order["start"] or self._group >= len(block_ids):
            self._spool.set_status(order["slot"], NOTHING)
            return False, None
        self._due.append(
            Copy(
                request_id=request.request_id,
                block_ids=tuple(block_ids[self._group]),
                slot=order["slot"],
                offset_bytes=order["offset_bytes"],
                start=order["start"],
                stop=stop,
            )
        )
        return True, None

    def request_finished(
        self, request: Any, block_ids: list[int]
    ) -> tuple[bool, dict[str, Any] | None]:
        """As for all groups, where there is only one."""
        return self.request_finished_all_groups(request, (block_ids,))

    def build_connector_meta(self, scheduler_output: Any) -> KVConnectorMetadata:
        """Hand what is due to the worker."""
        due, self._due = self._due, []
        return Copies(due)

    # In the worker.

    def register_kv_caches(self, kv_caches: dict[str, torch.Tensor]) -> None:
        """Find the cache of the states, `(n_blocks, n_layers, block_size, d_model)`."""
        self._is_copying = get_tensor_model_parallel_rank() == 0
        layers = get_layers_from_vllm_config(
            self._vllm_config, CacheOnlyAttentionLayer, list(kv_caches)
        )
        (name,) = layers
        self._cache = kv_caches[name]
        if self._cache.shape[2] != self._block_size:
            raise RuntimeError(
                f"pages of hidden states hold {self._cache.shape[2]} tokens, "
                f"expected {self._block_size}"
            )

    def start_load_kv(self, forward_context: Any, **named: Any) -> None:
        """Nothing is ever loaded."""

    def wait_for_layer_load(self, layer_name: str) -> None:
        """Nothing is ever loaded."""

    def save_kv_layer(
        self, layer_name: str, kv_layer: torch.Tensor, attn_metadata: Any, **named: Any
    ) -> None:
        """Nothing to do before a request ends."""

    def wait_for_save(self) -> None:
        """Nothing to do before a request ends."""

    def get_finished(self, finished_req_ids: set[str]) -> tuple[set[str] | None, set[str] | None]:
        """Begin what is due; say which requests' pages can be freed."""
        if self.has_connector_metadata():
            for copy in self._get_connector_metadata().due:
                if self._is_copying:
                    self._under_way[copy.request_id] = self._begin(copy)
        done = {name for name, future in self._under_way.items() if future.done()}
        for name in done:
            self._under_way.pop(name).result()
        return done or None, None

    def _begin(self, copy: Copy) -> Future[None]:
        """Take the states off the device; the copy to the spool is done by a thread."""
        try:
            states, ready = self._gathered(copy)
        except BaseException:
            self._spool.set_status(copy.slot, FAILED)
            raise
        return self._writers.submit(self._write, copy, states, ready)

    def _gathered(self, copy: Copy) -> tuple[torch.Tensor, Any]:
        """States `(n_rows, n_layers, d_model)` float16 in host memory, and the event to wait for.

        float16 is what the file holds; a state that does not fit becomes infinite and is refused.
        """
        positions = torch.arange(copy.start, copy.stop)
        blocks = torch.tensor(copy.block_ids, dtype=torch.long)[positions // self._block_size]
        offsets = positions % self._block_size
        if self._cache.device.type == "cpu":
            return self._cache[blocks, :, offsets].to(torch.float16), None
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._cache.device)
        self._stream.wait_stream(torch.cuda.current_stream(self._cache.device))
        with torch.cuda.stream(self._stream):
            device = self._cache.device
            taken = self._cache[
                blocks.to(device, non_blocking=True), :, offsets.to(device, non_blocking=True)
            ].to(torch.float16)
            pinned = torch.empty(taken.shape, dtype=torch.float16, pin_memory=True)
            pinned.copy_(taken, non_blocking=True)
            taken.record_stream(self._stream)
            ready = torch.cuda.Event()
            ready.record(self._stream)
        return pinned, ready

    def _write(self, copy: Copy, states: torch.Tensor, ready: Any) -> None:
        """Put the states into the spool and say so."""
        try:
            if ready is not None:
                ready.synchronize()
            n_rows, n_layers, d_model = states.shape
            self._spool.rows(copy.offset_bytes, (n_rows, n_layers, d_model))[...] = states.numpy()
        except BaseException:
            self._spool.set_status(copy.slot, FAILED)
            raise
        self._spool.set_status(copy.slot, copy.stop - copy.start)

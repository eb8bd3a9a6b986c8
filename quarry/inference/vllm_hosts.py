"""`HostSupply`: the host process of one engine: started when needed, smaller after lack of memory.

A host captures fixed layers; one that lacks a wanted layer is replaced. The shared memory belongs
to the supply, so that states which have arrived outlive the host that made them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from quarry.errors import CacheTooSmallError, EngineMemoryError
from quarry.inference.checkpoint_engine import closed_engine
from quarry.inference.host.client import EngineHost
from quarry.inference.host.settings import HostSettings
from quarry.inference.host.spool import Spool
from quarry.inference.usage_meter import UsageMeter

logger = logging.getLogger(__name__)

_LEAST_SHARE = 0.2
"""Below this share of a GPU no model that is worth running leaves room for a cache."""


class HostUser(Protocol):
    """One call that uses the host."""

    def give_up(self) -> None:
        """Leave the host with nothing under way."""


class HostSupply:
    """Keeps one host running with the layers that are asked for.

    Args:
        settings: how vLLM is started at first; layers and spool are filled in.
        python: the interpreter that has vLLM; empty for this one.
        keep_open: descriptors that the host inherits.
        spool_bytes: room for states under way.
        meter: takes the time of starts, and remarks.
    """

    def __init__(
        self,
        settings: HostSettings,
        *,
        python: str,
        keep_open: Sequence[int],
        spool_bytes: int,
        meter: UsageMeter,
    ) -> None:
        """No process is started yet."""
        self.settings = settings
        self._python = python
        self._keep_open = tuple(keep_open)
        self._spool_bytes = spool_bytes
        self._meter = meter
        self._host: EngineHost | None = None
        self._spool: Spool | None = None
        self._user: HostUser | None = None
        self._is_closed = False
        self._too_much: HostSettings | None = None
        self._too_little: HostSettings | None = None
        self.facts: dict[str, Any] = {}

    @property
    def host(self) -> EngineHost | None:
        """The host, if one runs."""
        return self._host

    @property
    def spool(self) -> Spool:
        """The shared memory; made when it is first asked for."""
        if self._spool is None:
            self._spool = Spool.create(self._spool_bytes)
        return self._spool

    def hand_to(self, user: HostUser) -> None:
        """Let one call use the host from now on; the one that did gives it up.

        Raises:
            UsageError: the engine was closed.
        """
        if self._is_closed:
            raise closed_engine(self.settings.source)
        if self._user is not None and self._user is not user:
            self._user.give_up()
        self._user = user

    def layers_with(self, layers: Sequence[int]) -> tuple[int, ...]:
        """The layers that a host captures which is ready for these, ascending."""
        return tuple(sorted({*layers, *self.settings.layers}))

    def make_room(self, slot_bytes: int) -> None:
        """Enlarge the shared memory, if not even one request has room in it."""
        if self.spool.arena_bytes >= slot_bytes:
            return
        remark = (
            f"the hidden states of one request may take {slot_bytes >> 20} MiB, "
            f"more than the spool's {self._spool_bytes >> 20} MiB; it was enlarged"
        )
        logger.warning(remark)
        self._meter.remark(remark)
        self.drop()
        self.spool.close()
        self._spool, self._spool_bytes = None, slot_bytes

    def remark_on_room(self, n_fitting: int, n_wanted: int) -> None:
        """Say, once, that the shared memory and not the batch size bounds what runs at once."""
        remark = (
            f"the spool has room for the hidden states of {n_fitting} requests, so not {n_wanted} "
            "but so many run at once; a larger `inference.spool` in the catalog has more"
        )
        if remark not in self._meter.reading().remarks:
            logger.warning(remark)
            self._meter.remark(remark)

    def ready(self, layers: Sequence[int]) -> EngineHost:
        """A host that captures at least these layers, started anew if need be.

        Raises:
            EngineMemoryError: memory ran out at the smallest batch.
            ModelLoadError: vLLM can't run the model, or is not installed.
        """
        wanted = self.layers_with(layers)
        host = self._host
        if host is not None and host.is_running and wanted == self.settings.layers:
            return host
        self.drop()
        self.settings = replace(
            self.settings, layers=wanted, spool=self.spool.path if wanted else ""
        )
        while True:
            try:
                return self._start()
            except EngineMemoryError as error:
                self.shrink(error)

    def shrink(self, error: EngineMemoryError) -> None:
        """End a host that ran out of memory; the next one is half as large.

        Where half leaves too small a cache beside the weights, the next is half-way between.

        Raises:
            EngineMemoryError: it was the smallest, or nothing between too much and too little is
                left to try.
        """
        self.drop()
        old, new = self.settings, self._next(error)
        is_too_little = isinstance(error, CacheTooSmallError)
        is_floor = old.batch_size == 1 if old.is_on_cpu else new.memory_share < _LEAST_SHARE
        if (is_floor and not is_too_little) or self._is_settled():
            raise EngineMemoryError(
                "vLLM ran out of memory with the smallest batch",
                where=old.source,
                expected="room for the weights and one sequence",
                got=error.got,
                fix="use devices with more memory, a smaller dtype, or fewer new tokens",
            ) from error
        self.settings = new
        lack = "too small a cache" if is_too_little else "out of memory"
        remark = (
            f"{lack} with a batch of {old.batch_size} and {_room(old)} ({error.got}); "
            f"going on with {new.batch_size} and {_room(new)}"
        )
        logger.warning(remark)
        self._meter.remark(remark)

    def _next(self, error: EngineMemoryError) -> HostSettings:
        """What to try after a host that took too much memory, or left its cache too little."""
        old = self.settings
        if isinstance(error, CacheTooSmallError):
            if self._too_much is None:
                raise error
            self._too_little = old
            return old.between(self._too_much)
        self._too_much, half = old, old.halved()
        if self._too_little is None:
            return half
        return replace(old.between(self._too_little), batch_size=half.batch_size)

    def _is_settled(self) -> bool:
        """Whether too much and too little are so near that nothing between them is worth a try."""
        much, little = self._too_much, self._too_little
        if much is None or little is None:
            return False
        if much.is_on_cpu:
            return much.cpu_cache_bytes - little.cpu_cache_bytes < much.cpu_cache_bytes // 16
        return much.memory_share - little.memory_share < much.memory_share / 16

    def measure(self) -> None:
        """Note how much memory the host's processes have taken."""
        if self._host is not None:
            self._meter.memory(self._host.peak_memory_bytes())

    def drop(self) -> None:
        """End the host, if one runs; what it had put into the spool stays."""
        if self._host is not None:
            self.measure()
            self._host.close()
            self._host = None

    def close(self) -> None:
        """End the host and free the shared memory."""
        self._is_closed = True
        self._user = None
        self.drop()
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def _start(self) -> EngineHost:
        """Start a host and wait until vLLM has loaded the model."""
        with self._meter.starting():
            host = EngineHost(
                self.settings,
                python=self._python,
                keep_open=self._keep_open,
            )
            try:
                self.facts = host.wait_until_ready()
            except BaseException:
                host.close()
                raise
        self._host = host
        logger.info(
            "vLLM is ready after %.0f s: batches of %d, layers %s",
            self.facts["start_s"],
            self.settings.batch_size,
            list(self.settings.layers),
        )
        return host


def _room(settings: HostSettings) -> str:
    """The memory that vLLM may take, in words."""
    if settings.is_on_cpu:
        return f"a cache of {settings.cpu_cache_bytes >> 20} MiB"
    return f"{settings.memory_share:.0%} of the GPU"

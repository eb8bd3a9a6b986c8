"""How vLLM is started for a checkpoint: dtype, devices, and the size of its cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quarry.errors import ModelLoadError
from quarry.inference.checkpoint import CheckpointOutline, resolve_device
from quarry.inference.devices import machine_devices
from quarry.inference.engine_settings import EngineSettings
from quarry.inference.host.settings import HostSettings

_DTYPES = ("float32", "bfloat16", "float16")
_MOST_CPU_CACHE_BYTES = 4 << 30
_CPU_CACHE_SHARE = 8
"""An eighth of the memory that is free: the model and the caller need the rest."""


def start_settings(
    outline: CheckpointOutline,
    dtype: str,
    batch_size: int,
    chosen: EngineSettings,
) -> HostSettings:
    """The settings of a host that captures nothing yet.

    Raises:
        ModelLoadError: the dtype is not known.
    """
    devices = _devices(chosen.devices)
    is_on_cpu = set(devices) == {"cpu"}
    return HostSettings(
        source=outline.source,
        revision=outline.revision,
        dtype=_dtype(dtype, outline.config, is_on_cpu=is_on_cpu),
        context_length=int(outline.config.get_text_config().max_position_embeddings),
        batch_size=batch_size,
        layers=(),
        devices=devices,
        memory_share=chosen.memory_share,
        cpu_cache_bytes=min(_MOST_CPU_CACHE_BYTES, _available_bytes() // _CPU_CACHE_SHARE),
        max_batch_tokens=chosen.max_batch_tokens,
        memory_limit_bytes=chosen.memory_limit_bytes,
    )


def _devices(asked: tuple[str, ...]) -> tuple[str, ...]:
    """The devices by number; `auto` is the first GPU where there is one, else the CPU."""
    if asked != ("auto",):
        return asked
    return ("cuda:0",) if resolve_device("auto").type == "cuda" else ("cpu",)


def device_facts(start: HostSettings) -> dict[str, str | int]:
    """What decides how numbers are rounded: kind and model of the devices, and how many."""
    models = {device.model for device in machine_devices() if device.name in start.devices}
    facts: dict[str, str | int] = {
        "device": "cpu" if start.is_on_cpu else "cuda",
        "n_devices": len(start.devices),
    }
    return facts | ({} if start.is_on_cpu else {"device_name": ", ".join(sorted(models))})


def _dtype(dtype: str, config: Any, *, is_on_cpu: bool) -> str:
    """The dtype by name; `auto` is float32 on a CPU and the checkpoint's own elsewhere."""
    if dtype == "auto":
        own = getattr(config.get_text_config(), "dtype", None)
        return "float32" if is_on_cpu or own is None else str(own).removeprefix("torch.")
    if dtype not in _DTYPES:
        raise ModelLoadError(
            "A dtype is not known",
            where="dtype",
            expected=f"auto, {', '.join(_DTYPES)}",
            got=dtype,
            fix="correct `dtype` of the model in the catalog",
        )
    return dtype


def _available_bytes() -> int:
    """Memory that is free on this machine, in bytes."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return _MOST_CPU_CACHE_BYTES

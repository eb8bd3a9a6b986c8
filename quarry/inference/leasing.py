"""Opens a model's engine on devices that are leased for it, as its catalog says.

What a lease is lives in `lease`, how an engine is opened in `loading`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from quarry.inference.devices import (
    Device,
    candidates,
    machine_devices,
    number_by_bus,
    parse_devices,
)
from quarry.inference.engine_settings import EngineName, EngineSettings
from quarry.inference.lease import Lease, take_lease
from quarry.inference.lease_file import Holder, default_folder
from quarry.inference.leased_engine import LeasedEngine

if TYPE_CHECKING:
    from quarry.catalog import Catalog


@dataclass(frozen=True)
class EngineRequest:
    """Which model is to run where; empty values leave it to the catalog.

    Args:
        model: a model of the catalog.
        engine: instead of the catalog's.
        device: `auto`, or devices as `QUARRY_DEVICE` names them, which override the catalog's.
        batch_size: instead of the catalog's; 0 for that.
        vllm_python: the interpreter that has vLLM; empty for this one.
        lease_dir: where leases are kept; None for the machine's.
        holder: who takes the lease.
    """

    model: str
    engine: EngineName | None = None
    device: str = "auto"
    batch_size: int = 0
    vllm_python: str = ""
    lease_dir: Path | None = None
    holder: Holder | None = None


def open_leased(
    request: EngineRequest,
    catalog: Catalog,
    checkpoint_dir: Path | None,
    *,
    log: Callable[[str], None],
) -> LeasedEngine:
    """Lease the devices that a model needs, waiting if need be, and open its engine on them.

    Args:
        request: what to open.
        catalog: the model's entry, devices, limits.
        checkpoint_dir: of a model that the platform trained itself.
        log: takes a line about the lease, and about waiting for it.

    Raises:
        UnknownNameError: the catalog has no such model.
        UsageError: a device does not exist, or the model needs more of them.
        DeviceBusyError: none became free in time.
        QuarryError: see `open_engine`; nothing is leased any more then.
    """
    spec, limits = catalog.model(request.model), catalog.inference
    engine = request.engine or catalog.engine_of(request.model)
    n_devices = spec.tensor_parallel if engine == "vllm" else 1
    lease = lease_devices(request, catalog, engine=engine, n_devices=n_devices, log=log)
    try:
        from quarry.inference.loading import open_engine

        settings = EngineSettings(
            engine=engine,
            devices=lease.names,
            batch_size=request.batch_size or None,
            memory_share=limits.memory_share,
            spool_bytes=limits.spool_bytes,
            vllm_python=request.vllm_python,
        )
        if engine == "vllm":  # its own process holds the memory, and may outlive this one
            settings = replace(settings, lease_fds=lease.fds)
        return LeasedEngine(open_engine(request.model, spec, checkpoint_dir, settings), lease)
    except BaseException:
        lease.release()
        raise


def lease_devices(
    request: EngineRequest,
    catalog: Catalog,
    *,
    engine: EngineName,
    n_devices: int,
    log: Callable[[str], None],
) -> Lease:
    """Lease devices for a model, waiting if need be; the caller releases them.

    Args:
        request: which model is to run where.
        catalog: which devices there may be, and how long to wait.
        engine: what is to run on them; PyTorch itself counts as `transformers`.
        n_devices: how many.
        log: takes a line about the lease, and about waiting for it.

    Raises:
        UsageError: a device does not exist, or there are fewer.
        DeviceBusyError: not so many became free in time.
    """
    number_by_bus()
    return take_lease(
        _may_use(request, catalog, engine, log),
        n_devices,
        request.lease_dir or default_folder(),
        holder=request.holder or Holder.me(request.model),
        wait_s=catalog.inference.wait_minutes * 60,
        log=log,
    )


def _may_use(
    request: EngineRequest, catalog: Catalog, engine: EngineName, log: Callable[[str], None]
) -> tuple[Device, ...]:
    """The devices that a model may run on.

    `auto` means GPUs that the engine can use: a CPU build of torch beside a GPU takes the CPU, as
    long as nobody named the GPU.
    """
    devices = machine_devices()
    asked = parse_devices(request.device)
    if asked != "auto":
        return candidates(asked, devices, where=f"QUARRY_DEVICE {request.device!r}")
    named = catalog.inference.devices
    if named == "auto" and devices[0].kind == "cuda" and engine == "transformers":
        import torch

        if not torch.cuda.is_available():
            log(f"PyTorch {torch.__version__} can't use {devices[0]} here: the CPU is used")
            devices = devices[-1:]
    return candidates(named, devices, where="inference.devices of the catalog")

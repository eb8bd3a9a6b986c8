"""Which devices this machine has for models, told without torch, and which of them are meant.

Names are torch's: `cpu`, and `cuda:<n>` for the n-th GPU that `CUDA_VISIBLE_DEVICES` shows. What
the driver knows of them is read in `nvidia`; who may use one when, is in `lease`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from quarry.errors import UsageError
from quarry.inference.nvidia import Gpu, installed_gpus

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
_NAME = re.compile(r"cpu|cuda|cuda:\d+")


@dataclass(frozen=True)
class Device:
    """One device that a model can run on.

    Args:
        name: torch's name in this process.
        key: the same in every process of the machine, whatever it sees; fit for a file's name.
        model: what kind it is, such as `NVIDIA H200`; empty if unknown.
        memory_bytes: its memory; 0 if unknown.
    """

    name: str
    key: str
    model: str = ""
    memory_bytes: int = 0

    @property
    def kind(self) -> Literal["cpu", "cuda"]:
        """The name without its number."""
        return "cpu" if self.name == "cpu" else "cuda"

    def __str__(self) -> str:
        """Name and model."""
        return f"{self.name} ({self.model})" if self.model else self.name


def machine_devices(environment: Mapping[str, str] | None = None) -> tuple[Device, ...]:
    """The GPUs that a process with these variables sees, then the CPU.

    Args:
        environment: variables that decide; None for those of this process.
    """
    variables = os.environ if environment is None else environment
    gpus = visible_gpus(installed_gpus(variables), variables.get(VISIBLE))
    found = [_cuda(number, gpu) for number, gpu in enumerate(gpus)]
    return (*found, cpu())


def cpu() -> Device:
    """All processors of the machine, as one device."""
    try:
        memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        memory_bytes = 0
    return Device("cpu", "cpu", f"{os.cpu_count() or 1} cores", max(0, memory_bytes))


def visible_gpus(installed: Sequence[Gpu], visible: str | None) -> list[Gpu]:
    """The GPUs that CUDA shows, in its order.

    Like CUDA, the list ends before the first entry that means none of them.

    Args:
        installed: those of the machine.
        visible: value of `CUDA_VISIBLE_DEVICES`: indices, UUIDs or beginnings of UUIDs; None if it
            is not set.
    """
    if visible is None:
        return list(installed)
    shown: list[Gpu] = []
    for entry in (part.strip() for part in visible.split(",")):
        meant = _meant(installed, entry)
        if meant is None or meant in shown:
            break
        shown.append(meant)
    return shown


def candidates(
    asked: Literal["auto"] | Sequence[str], devices: Sequence[Device], *, where: str
) -> tuple[Device, ...]:
    """The devices that a setting means, in its order.

    Args:
        asked: `auto` for all GPUs, or the CPU where there are none; or names such as `cuda:0`,
            where `cuda` stands for all GPUs.
        devices: those of the machine.
        where: the setting, for the message.

    Raises:
        UsageError: a device is not there, or a name is none.
    """
    gpus = [device for device in devices if device.kind == "cuda"]
    names = ["cuda" if gpus else "cpu"] if isinstance(asked, str) else list(asked)
    meant: list[Device] = []
    for name in names:
        found = gpus if name == "cuda" else [one for one in devices if one.name == name]
        if not found:
            raise _not_there(name, devices, where)
        meant += [device for device in found if device not in meant]
    if not meant:
        raise _not_there("none", devices, where)
    return tuple(meant)


def parse_devices(text: str) -> Literal["auto"] | tuple[str, ...]:
    """A setting such as `auto`, `cpu`, `cuda` or `cuda:0,cuda:2` as `candidates` takes it."""
    names = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    return "auto" if names in {(), ("auto",)} else names


def number_by_bus() -> None:
    """Make CUDA number GPUs as the driver lists them: by bus, not the fastest first.

    Without it, `cuda:0` of a machine with unequal GPUs is not the first that `nvidia-smi` shows.
    CUDA reads this once, so it is set before torch looks; an order that the user chose stays.
    """
    os.environ.setdefault(ORDER, "PCI_BUS_ID")


def _cuda(number: int, gpu: Gpu) -> Device:
    """The device of the n-th GPU that is seen."""
    identity = gpu.uuid or f"cuda-{gpu.index}"
    return Device(
        name=f"cuda:{number}",
        key=re.sub(r"[^A-Za-z0-9._-]", "_", identity),
        model=gpu.model,
        memory_bytes=gpu.memory_bytes,
    )


def _meant(installed: Sequence[Gpu], entry: str) -> Gpu | None:
    """The GPU that an entry of `CUDA_VISIBLE_DEVICES` means."""
    if entry.isdecimal():
        return next((gpu for gpu in installed if gpu.index == int(entry)), None)
    if entry.startswith("MIG-"):
        # a slice of a GPU, which the driver does not list; it is leased under its own name
        return Gpu(index=-1, uuid=entry, model="MIG device") if installed else None
    if not entry.startswith("GPU-"):
        return None
    same = [gpu for gpu in installed if gpu.uuid.startswith(entry)]
    return same[0] if len(same) == 1 else None


def _not_there(name: str, devices: Sequence[Device], where: str) -> UsageError:
    """The error for a device that this process does not see."""
    there = ", ".join(str(device) for device in devices)
    if not _NAME.fullmatch(name):
        what, fix = "A device has no such name", "write auto, cpu, cuda or cuda:<n>"
    else:
        what = "A device does not exist here"
        fix = f"use `auto`, or name one that is there; {VISIBLE} may hide it"
    return UsageError(what, where=where, expected=f"one of {there}", got=name, fix=fix)

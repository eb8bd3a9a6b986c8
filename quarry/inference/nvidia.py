"""What NVIDIA's driver says about the GPUs of this machine.

`nvidia-smi` is asked, and the driver's files under `/proc` where it is absent or fails.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

DRIVER_FILES = Path("/proc/driver/nvidia/gpus")
_QUERY = "--query-gpu=index,uuid,name,memory.total"
_TIMEOUT_S = 30.0
"""A driver that nobody keeps loaded takes some seconds for each GPU."""


@dataclass(frozen=True)
class Gpu:
    """One GPU as the driver lists it.

    Args:
        index: its position by bus, from 0.
        uuid: such as `GPU-8f6f…`; empty if unknown.
        model: such as `NVIDIA H200`; empty if unknown.
        memory_bytes: its memory; 0 if unknown.
    """

    index: int
    uuid: str = ""
    model: str = ""
    memory_bytes: int = 0


def installed_gpus(
    environment: Mapping[str, str] | None = None, *, driver_files: Path = DRIVER_FILES
) -> list[Gpu]:
    """The GPUs of this machine, or container, in the order of their bus; none without a driver.

    Args:
        environment: variables; `PATH` says where `nvidia-smi` is. None for those of this process.
        driver_files: the driver's folder of GPUs.
    """
    variables = dict(os.environ if environment is None else environment)
    program = shutil.which("nvidia-smi", path=variables.get("PATH", os.defpath))
    answer = _ask(program, variables) if program else None
    return parse_answer(answer) if answer is not None else _from_files(driver_files)


def parse_answer(text: str) -> list[Gpu]:
    """The GPUs that `nvidia-smi` printed as CSV; lines that say something else are left out."""
    gpus: list[Gpu] = []
    for fields in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(fields) < 4 or not fields[0].strip().isdecimal():
            continue
        index, uuid, model, memory = (field.strip() for field in (*fields[:2], *fields[-2:]))
        gpus.append(
            Gpu(
                index=int(index),
                uuid=_known_uuid(uuid),
                model="" if model.startswith("[") else model,
                memory_bytes=int(memory) << 20 if memory.isdecimal() else 0,
            )
        )
    return sorted(gpus, key=lambda gpu: gpu.index)


def _ask(program: str, variables: Mapping[str, str]) -> str | None:
    """What `nvidia-smi` prints; None where it fails or does not end."""
    with contextlib.suppress(OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return subprocess.run(
            [program, _QUERY, "--format=csv,noheader,nounits"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=_TIMEOUT_S,
            env=dict(variables),
            check=True,
        ).stdout
    return None


def _from_files(folder: Path) -> list[Gpu]:
    """The GPUs by the driver's files, whose folders are named by bus."""
    gpus: list[Gpu] = []
    with contextlib.suppress(OSError):
        for entry in sorted(folder.iterdir(), key=lambda path: path.name):
            lines = (entry / "information").read_text(errors="replace").splitlines()
            facts = _facts(lines)
            uuid = _known_uuid(facts.get("GPU UUID", ""))
            gpus.append(Gpu(len(gpus), uuid, facts.get("Model", "")))
    return gpus


def _facts(lines: Iterable[str]) -> dict[str, str]:
    """`name: value` lines as a mapping."""
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _known_uuid(uuid: str) -> str:
    """A UUID, or nothing: a driver that has not looked yet writes question marks."""
    return uuid if uuid.startswith("GPU-") and "?" not in uuid else ""

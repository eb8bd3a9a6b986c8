"""`quarry devices`: what this machine can run models on, and who has it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarry.cli.output import CLEAN, emit, emit_json, emit_markdown, printable

if TYPE_CHECKING:
    from quarry.inference.lease import LeaseState


def list_devices(
    lease_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="QUARRY_LEASE_DIR",
            help="Where leases are kept.",
            show_default="quarry-leases in the folder for temporary files",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the GPUs that can be seen here, and the CPU: free, or leased by whom since when.

    Takes nothing from anybody. A lease ends with the processes that hold it, however they end.

    Example: `quarry devices --json`
    """
    from quarry.inference.devices import machine_devices
    from quarry.inference.lease import lease_states
    from quarry.inference.lease_file import default_folder

    folder = lease_dir or default_folder()
    states = lease_states(machine_devices(), folder)
    if as_json:
        emit_json({"lease_dir": str(folder), "devices": [_as_dict(state) for state in states]})
    else:
        _show(states, folder)
    raise typer.Exit(CLEAN)


def _as_dict(state: LeaseState) -> dict[str, Any]:
    """A device and its lease as plain JSON values."""
    from dataclasses import asdict

    device, holder = state.device, state.holder
    return {
        "name": device and device.name,
        "model": device and device.model,
        "memory_bytes": device and device.memory_bytes,
        "key": state.file.stem,
        "lease": str(state.file),
        "is_free": not state.is_held,
        "holder": holder and {**asdict(holder), "has_ended": holder.has_ended},
    }


def _show(states: list[LeaseState], folder: Path) -> None:
    """A table for a person."""
    from quarry.audit.tables import markdown_table

    rows = [
        [
            state.device.name if state.device else f"not seen here: {state.file.stem}",
            state.device.model if state.device else "",
            _gigabytes(state),
            _lease(state),
        ]
        for state in states
    ]
    emit_markdown(markdown_table(["Device", "Model", "Memory", "Lease"], rows))
    emit(f"\nleases: {folder}\n")


def _gigabytes(state: LeaseState) -> str:
    """The memory of a device."""
    size_bytes = state.device.memory_bytes if state.device else 0
    return f"{size_bytes / 2**30:.0f} GiB" if size_bytes else ""


def _lease(state: LeaseState) -> str:
    """Free, or who has it."""
    if not state.is_held:
        return "free"
    return printable(f"held by {state.holder or 'an unknown process'}").replace("\n", " ")

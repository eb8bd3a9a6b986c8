"""Leases of devices: one process, with what it starts, has a GPU or the CPU for itself.

Several devices are taken all or none, so that nobody holds one while waiting for another. The files
behind a lease are in `lease_file`; which devices there are, in `devices`.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from quarry.errors import DeviceBusyError, UsageError
from quarry.inference.devices import Device
from quarry.inference.lease_file import (
    SUFFIX,
    Holder,
    clear_holder,
    is_locked,
    open_folder,
    read_holder,
    try_lock,
    write_holder,
)

_LINE_EVERY_S = 60.0
_LONGEST_PAUSE_S = 1.0
_FIRST_PAUSE_S = 0.02
_GRACE_S = 0.3
"""A look at a lock takes it for a moment, so that even who won't wait tries more than once."""

_held: weakref.WeakSet[Lease] = weakref.WeakSet()
_forking = threading.RLock()
"""Held while locks change hands, so that a fork copies none that nobody knows of."""


class Lease:
    """Devices that this process has for itself until it releases them, or ends in any way.

    A copy made by `fork` holds nothing: only this process releases.

    Args:
        devices: what is leased.
        files: their lock files.
        descriptors: the same files, locked.
        waited_s: seconds until they were free.
    """

    def __init__(
        self,
        devices: tuple[Device, ...],
        files: tuple[Path, ...],
        descriptors: tuple[int, ...],
        waited_s: float,
    ) -> None:
        """Keep the locks."""
        self.devices = devices
        self.files = files
        self.waited_s = waited_s
        self._descriptors = descriptors
        self._is_shared = False
        _held.add(self)

    @property
    def names(self) -> tuple[str, ...]:
        """The devices as torch calls them."""
        return tuple(device.name for device in self.devices)

    @property
    def fds(self) -> tuple[int, ...]:
        """Descriptors for `pass_fds` of a process that is started to use the devices.

        Such a process keeps the lease as long as it lives, whatever becomes of this one. Not
        together with `preexec_fn`: Python then treats the new process as a fork of this one.
        """
        self._is_shared = True
        return self._descriptors

    def facts(self) -> dict[str, str | float]:
        """What is leased, for people: names, models, lock files, seconds waited."""
        models = ", ".join(device.model for device in self.devices if device.kind == "cuda")
        return {
            "device": ", ".join(self.names),
            **({"device_name": models} if models else {}),
            "lease": ", ".join(str(file) for file in self.files),
            "lease_waited_s": round(self.waited_s, 1),
        }

    def say(self, holder: Holder) -> None:
        """Write into the lock files who holds them."""
        for descriptor in self._descriptors:
            write_holder(descriptor, holder)

    def release(self) -> None:
        """Give the devices back; a second call does nothing.

        Where a process was given the descriptors and still lives, they stay leased until it ends:
        the files are closed, never unlocked, and still say who it belongs to.
        """
        with _forking:
            descriptors, self._descriptors = self._descriptors, ()
            for descriptor in descriptors:
                if not self._is_shared:
                    clear_holder(descriptor)
                os.close(descriptor)
            _held.discard(self)

    def forget(self) -> None:
        """Close the copies that a fork got."""
        descriptors, self._descriptors = self._descriptors, ()
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def __enter__(self) -> Self:
        """The lease itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the devices back."""
        self.release()


@dataclass(frozen=True)
class LeaseState:
    """A device of this machine, or a lock file of one that is not seen here.

    Args:
        device: the device; None if this process does not see it.
        file: its lock file, which need not exist.
        is_held: whether somebody holds it.
        holder: who; None if it is free, or its file does not say.
    """

    device: Device | None
    file: Path
    is_held: bool
    holder: Holder | None


def take_lease(
    candidates: Sequence[Device],
    n_devices: int,
    folder: Path,
    *,
    holder: Holder,
    wait_s: float,
    log: Callable[[str], None],
) -> Lease:
    """Lease so many of the devices, the first that are free, waiting if need be.

    Args:
        candidates: devices that will do, in order of preference.
        n_devices: how many are needed, all at once.
        folder: where the machine's leases are; made if needed.
        holder: who takes them.
        wait_s: longest wait.
        log: takes a line at the start of a wait, every minute of it, and when it is over.

    Raises:
        DeviceBusyError: not so many became free in time.
        UsageError: there are not so many, or the folder can't keep leases.
    """
    if not 1 <= n_devices <= len(candidates):
        raise _too_few(candidates, n_devices)
    open_folder(folder)
    began = told = time.monotonic()
    pause_s = _FIRST_PAUSE_S
    while (lease := _attempt(candidates, n_devices, folder, began)) is None:
        now = time.monotonic()
        if now - began >= max(wait_s, _GRACE_S):
            raise _busy(candidates, n_devices, folder, wait_s)
        if wait_s >= _GRACE_S and (told == began or now - told >= _LINE_EVERY_S):
            told = now
            log(f"waiting for {_wanted(candidates, n_devices)}: {_holders(candidates, folder)}")
        time.sleep(random.uniform(pause_s / 2, pause_s))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    lease.say(holder)
    waited = f" after {lease.waited_s:.0f} s" if told != began else ""
    log(f"leased {', '.join(map(str, lease.devices))}{waited}: {', '.join(map(str, lease.files))}")
    return lease


def lease_states(devices: Sequence[Device], folder: Path) -> list[LeaseState]:
    """Who holds what: every device given, then every held lease of a device that is not."""
    states = [_state(device, _file(folder, device)) for device in devices]
    known = {state.file for state in states}
    others = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
    unseen = [_state(None, file) for file in others if file not in known]
    return states + [state for state in unseen if state.is_held]


def _state(device: Device | None, file: Path) -> LeaseState:
    """What a lock file says now."""
    is_held = is_locked(file)
    return LeaseState(device, file, is_held, read_holder(file) if is_held else None)


def _attempt(
    candidates: Sequence[Device], n_devices: int, folder: Path, began: float
) -> Lease | None:
    """A lease of the first devices that are free; of none where they are too few."""
    taken: list[tuple[Device, Path, int]] = []
    with _forking, contextlib.ExitStack() as undo:
        for position, device in enumerate(candidates):
            if len(taken) + len(candidates) - position < n_devices:
                return None
            path = _file(folder, device)
            descriptor = try_lock(path)
            if descriptor is None:
                continue
            undo.callback(os.close, descriptor)
            taken.append((device, path, descriptor))
            if len(taken) == n_devices:
                break
        if len(taken) < n_devices:
            return None
        undo.pop_all()
        return Lease(*zip(*taken, strict=True), waited_s=time.monotonic() - began)


def _file(folder: Path, device: Device) -> Path:
    """The lock file of a device."""
    return folder / f"{device.key}{SUFFIX}"


def _wanted(candidates: Sequence[Device], n_devices: int) -> str:
    """What is waited for."""
    names = ", ".join(map(str, candidates))
    return names if n_devices == len(candidates) else f"{n_devices} of {names}"


def _holders(candidates: Sequence[Device], folder: Path) -> str:
    """Who holds the candidates, one clause each."""
    states = [_state(device, _file(folder, device)) for device in candidates]
    said = [
        f"{state.device and state.device.name} is held by {state.holder or 'an unknown process'}"
        for state in states
        if state.is_held
    ]
    return "; ".join(said) or "it has just become free"


def _busy(
    candidates: Sequence[Device], n_devices: int, folder: Path, wait_s: float
) -> DeviceBusyError:
    """The error for a wait that was too long."""
    return DeviceBusyError(
        f"No device became free within {wait_s / 60:g} minutes",
        where=str(folder),
        expected=f"{_wanted(candidates, n_devices)} free",
        got=_holders(candidates, folder),
        fix="wait for its holder or end it (`quarry devices` lists all), raise "
        "`inference.wait_minutes` in the catalog, or let fewer runs start at once",
    )


def _too_few(candidates: Sequence[Device], n_devices: int) -> UsageError:
    """The error for more devices than there are."""
    return UsageError(
        "A model needs more devices than it may have",
        where=f"{n_devices} devices (`tensor_parallel`)",
        expected=f"1 to {len(candidates)}",
        got=", ".join(map(str, candidates)) or "none",
        fix="lower `tensor_parallel` of the model, or name more `inference.devices`",
    )


def _forget_all() -> None:
    """A fork has copies of the locks; it must neither keep nor release what is not its own."""
    for lease in list(_held):
        lease.forget()
    _forking.release()


os.register_at_fork(
    before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_forget_all
)

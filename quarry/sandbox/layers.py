"""Which layers of confinement this machine offers, and which one is used.

- `strict`: bubblewrap's namespaces, a file system that holds only what a program needs, a filter on
  system calls, limits on resources.
- `fallback`: Landlock instead of the namespaces, where they can't be had; no privilege needed.
- `unconfined`: limits on resources only; keeps accidents apart, stops no attack, and has to be
  asked for.

A layer counts as there when a probe has tried it, see `quarry.sandbox.probe`.
"""

from __future__ import annotations

import os
import sys
import threading

from quarry.errors import SandboxUnavailableError
from quarry.sandbox.limits import LayerChoice
from quarry.sandbox.probe import objection
from quarry.sandbox.start import Layer

CONFINED: tuple[Layer, ...] = ("strict", "fallback")
"""The layers that `auto` takes, strongest first."""

_WORDS: dict[Layer, str] = {
    "strict": "bubblewrap namespaces, system-call filter, limits on resources",
    "fallback": "Landlock, system-call filter, limits on resources",
    "unconfined": "limits on resources only: keeps accidents apart, stops no attack",
}

_objections: dict[Layer, str | None] = {}
_probing = threading.Lock()


def objection_to(layer: Layer) -> str | None:
    """Why a layer can't be used here, None where it can; tried once in a process."""
    with _probing:
        if layer not in _objections:
            _objections[layer] = _no_linux() or objection(layer)
        return _objections[layer]


def choose(choice: LayerChoice) -> Layer:
    """The layer that programs will be shut in.

    Args:
        choice: a layer, or `auto` for the strongest that works here, never `unconfined`.

    Raises:
        SandboxUnavailableError: it does not work here, and says why.
    """
    wanted = CONFINED if choice == "auto" else (choice,)
    for layer in wanted:
        if objection_to(layer) is None:
            return layer
    raise SandboxUnavailableError(
        "Programs can't be shut in on this machine",
        where=f"layer {choice}",
        expected=" or ".join(f"{layer} ({_WORDS[layer]})" for layer in wanted),
        got="; ".join(f"{layer}: {objection_to(layer)}" for layer in wanted),
        fix="Debian and Ubuntu: `apt install bubblewrap`, and allow user namespaces "
        "(`sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu 24.04 and later "
        "`sysctl kernel.apparmor_restrict_unprivileged_userns=0`); or a kernel from 5.13 with "
        "Landlock; or, only for programs that you trust, `--sandbox unconfined`",
    )


def describe(choice: LayerChoice = "auto") -> str:
    """The layer in use in one line, and why it is not a stronger one.

    Raises:
        SandboxUnavailableError: see `choose`.
    """
    layer = choose(choice)
    stronger = CONFINED[: CONFINED.index(layer)] if layer in CONFINED else CONFINED
    reasons = [f"{one} is not available: {objection_to(one)}" for one in stronger]
    if choice != "auto":
        reasons = ["asked for"] * (layer != "strict")
    return "; ".join([f"{layer} ({_WORDS[layer]})", *reasons])


def _no_linux() -> str | None:
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):
        return None
    return f"{sys.platform} without pidfd_open; Linux 5.3 or newer is needed, in a VM if need be"

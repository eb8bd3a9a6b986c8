"""How a zygote is started in each layer: its command line and its environment.

Whoever executes it is the examiner server or the probe (`inside/zygote_client.py`); which layer is
used is decided in `layers.py`.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from typing import Literal

from quarry.sandbox.bubblewrap import PACKAGES, bubblewrap_command
from quarry.sandbox.visible_paths import INSIDE, interpreter, library_path, visible_paths

Layer = Literal["strict", "fallback", "unconfined"]
"""How a program is shut in, strongest first; see `quarry.sandbox.layers`."""

INTERPRETER_FLAGS = ("-s", "-P", "-S", "-B", "-X", "utf8")
"""Isolated like `-I`, which would ignore the hash seed; no site-packages, writes no bytecode."""

ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    "PYTHONHASHSEED": "0",  # the order of a set of strings must not change a label
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",  # each further one takes a good part of the address space
    "TZ": "UTC",
    **({"LD_LIBRARY_PATH": found} if (found := library_path()) else {}),
}
"""All that programs find in their environment beside HOME and TMPDIR; nothing is inherited."""


@dataclass(frozen=True)
class ZygoteCommand:
    """How to start one zygote.

    Args:
        arguments: the command line; its standard input has to be the control socket.
        environment: all of it.
    """

    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))


def inside_command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line that runs `main` of an inside module in an interpreter of its own.

    Raises:
        SandboxUnavailableError: there is no interpreter to be started.
    """
    return (interpreter(), *INTERPRETER_FLAGS, str(INSIDE / "boot.py"), module, *arguments)


def zygote_command(layer: Layer, serve: str = "quarry.sandbox.inside.worker") -> ZygoteCommand:
    """How to start a zygote.

    Args:
        layer: how its workers are shut in.
        serve: inside module whose `serve(channel)` each worker calls once it is shut in.

    Raises:
        SandboxUnavailableError: there is no interpreter to be started.
    """
    visible = visible_paths()
    settings: dict[str, object] = {"layer": layer, "serve": serve}
    if layer == "strict":
        settings |= {"packages": PACKAGES}
    else:
        settings |= {
            "packages": visible.packages,
            "temporary": tempfile.gettempdir(),
            "visible": visible.without_hidden(),
        }
    command = inside_command("quarry.sandbox.inside.zygote", json.dumps(settings))
    return ZygoteCommand(bubblewrap_command(visible, command) if layer == "strict" else command)

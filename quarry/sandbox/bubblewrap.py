"""The command line of bubblewrap that shuts a zygote in; knows nothing of what runs inside.

Namespaces of its own for processes, network, IPC objects, host name, control groups and mounts; a
file system of what is shown, read-only, without `/proc`. CAP_SYS_ADMIN is left to the zygote: with
it each worker mounts its private directory before it gives it up. An ordinary user has it only
within a user namespace. Root needs none and instead lets each worker become nobody, because a root
that is mapped to nobody would still be root where the kernel counts threads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from quarry.sandbox.visible_paths import VisiblePaths

PACKAGES = "/packages"
"""Where a program inside finds numpy."""

_NAME = "bwrap"
_NOBODY = "65534"
_AS_USER = ("--unshare-user", "--uid", _NOBODY, "--gid", _NOBODY)
_AS_ROOT = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_KILL")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_NAMESPACES = (
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
)


def path() -> str | None:
    """Where bubblewrap is installed; None where it is not."""
    found = shutil.which(_NAME)
    return found and str(Path(found).absolute())  # the examiner looks from another directory


def bubblewrap_command(visible: VisiblePaths, command: Sequence[str]) -> tuple[str, ...]:
    """`command` in a box in which only `visible` exists."""
    arguments = [path() or _NAME, *_NAMESPACES, "--as-pid-1", "--die-with-parent", "--new-session"]
    arguments += ["--hostname", "box", "--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN"]
    arguments += _AS_ROOT if os.geteuid() == 0 else _AS_USER
    for folder in [*_ancestors([*visible.shown, *_DEVICES]), PACKAGES]:
        arguments += ["--dir", folder]  # one that is not named would be open to its owner only
    for shown in visible.shown:
        arguments += ["--ro-bind", shown, shown]
    for hidden in visible.hidden:
        arguments += ["--tmpfs", hidden, "--remount-ro", hidden]
    for name, package in visible.packages.items():
        arguments += ["--ro-bind", package, f"{PACKAGES}/{name}"]
    for device in _DEVICES:
        arguments += ["--dev-bind", device, device]
    arguments += ["--dir", "/tmp", "--dir", "/dev/shm", "--chdir", "/", "--remount-ro", "/"]
    return (*arguments, "--", *(os.fspath(part) for part in command))


def _ancestors(paths: Iterable[str]) -> list[str]:
    """The directories that lead to `paths`, outer ones first."""
    ancestors = {str(parent) for path in paths for parent in Path(path).parents}
    return sorted(ancestors - {"/"})

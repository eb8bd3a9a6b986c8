"""What shuts a worker in, step by step and by layer; how each step works lives beside it.

The zygote makes one `Confinement`, calls `prepare` before it forks, `is_over_quota` while a worker
runs and `clear` after it; the worker calls `confine` on itself before it reads the program. A step
that fails raises, and the worker then runs nothing.
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import signal
import sys
from typing import Any, Protocol

from quarry.sandbox.inside import kernel_calls, landlock, seccomp
from quarry.sandbox.inside.private_directory import NOBODY, HostDirectory, MountedDirectory

_OPEN_FILES = 64
_MORE_THREADS = 256
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


class Directory(Protocol):
    """The one place where a program may write; gone after it."""

    @property
    def path(self) -> str:
        """Where it is."""
        ...

    @property
    def watch_period_s(self) -> float | None:
        """How often `is_over_quota` has to be asked; None where the kernel does it."""
        ...

    def prepare(self) -> None:
        """Make it, in the zygote."""
        ...

    def mount(self) -> None:
        """Mount it if it is a file system of its own, in the worker."""
        ...

    def is_over_quota(self) -> bool:
        """Whether the worker has to be killed for what it wrote."""
        ...

    def clear(self) -> None:
        """Leave nothing of it, in the zygote, after the worker's end."""
        ...

    def close(self) -> None:
        """Leave nothing at all."""
        ...


class Confinement:
    """How one layer shuts a worker in.

    Args:
        layer: `strict`, `fallback` or `unconfined`.
        directory: where a worker may write.
    """

    def __init__(self, layer: str, directory: Directory) -> None:
        """Prepare whatever is the same for every worker; a forked process pays for each page."""
        os.environ["HOME"] = os.environ["TMPDIR"] = directory.path
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a full file is an OSError for the program
        self._layer = layer
        self._directory = directory
        self._filter = None if layer == "unconfined" else seccomp.assembled(platform.machine())
        self.watch_period_s = directory.watch_period_s
        self.prepare = directory.prepare
        self.is_over_quota = directory.is_over_quota
        self.clear = directory.clear
        self.close = directory.close

    def confine(self, limits: dict[str, Any], zygote_pid: int) -> None:
        """Shut this process in for good.

        Args:
            limits: `cpu_s`, `memory_bytes` and `output_bytes`.
            zygote_pid: the parent, with which this process has to end.
        """
        self._directory.mount()
        _leave_root(self._layer)
        os.chdir(self._directory.path)
        _limit(limits)
        kernel_calls.drop_capabilities()
        kernel_calls.prctl(kernel_calls.PR_SET_NO_NEW_PRIVS, 1)
        kernel_calls.die_with_parent(zygote_pid)
        if self._layer == "fallback":
            landlock.restrict(readable=["/"], writable=[self._directory.path])
        if self._filter:
            self._filter.install(os.getpid())


def _leave_root(layer: str) -> None:
    """Be nobody where the zygote is root; limits on threads do not bind root.

    In a box of its own a program can be nobody altogether. Elsewhere the interpreter may lie where
    nobody can reach it, so that only the user changes whose threads are counted.
    """
    if os.geteuid() != 0:
        return
    if layer == "strict":
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    else:
        with contextlib.suppress(OSError):  # root of a container may lack the privilege, or nobody
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, 0, 0)


def _limit(limits: dict[str, Any]) -> None:
    """Bound processor time, memory, size of files and the number of files and threads."""
    cpu_s: int = limits["cpu_s"]
    # counted by user, so whatever else the user runs has to fit in
    n_threads = kernel_calls.n_tasks() + _MORE_THREADS
    n_files = min(_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["output_bytes"], limits["output_bytes"]),
        (resource.RLIMIT_NOFILE, n_files, n_files),
        (resource.RLIMIT_NPROC, n_threads, n_threads),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        resource.setrlimit(kind, (soft, hard))


def confinement_of(settings: dict[str, Any]) -> Confinement:
    """The confinement that the zygote's settings ask for; shuts the zygote in as far as it can be.

    Args:
        settings: `layer`; `packages`, the directory that programs find numpy in, for `strict`; for
            the others `temporary`, `visible` (what may be read), and `packages` (name to path).
    """
    kernel_calls.prctl(kernel_calls.PR_SET_DUMPABLE, 0)
    layer: str = settings["layer"]
    if layer == "strict":
        sys.path.append(settings["packages"])
        return Confinement(layer, MountedDirectory())
    directory = HostDirectory(settings["temporary"])
    sys.path.append(directory.linked(settings["packages"]))
    if layer == "fallback":
        kernel_calls.prctl(kernel_calls.PR_SET_NO_NEW_PRIVS, 1)
        landlock.restrict(
            readable=settings["visible"],
            writable=[directory.base],
            devices=_DEVICES,
            emptied=[settings["temporary"]],  # so that the base itself can be removed at the end
        )
    return Confinement(layer, directory)

"""`EngineHost`: the caller's end of the host process: starts it, talks to it, ends it.

What is asked of it and in which order is decided in `quarry.inference.vllm_engine`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self

import quarry
from quarry.errors import (
    CacheTooSmallError,
    EngineDiedError,
    EngineMemoryError,
    ModelLoadError,
    QuarryError,
)
from quarry.inference.host.log_reading import (
    is_consequence,
    is_lack_of_cache,
    is_lack_of_memory,
    last_lines,
    root_cause,
)
from quarry.inference.host.session import (
    end_session,
    gpu_memory_bytes,
    peak_resident_bytes,
    session_members,
    wait_for_end,
)
from quarry.inference.host.settings import HostSettings
from quarry.inference.host.wire import Channel

_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from quarry.inference.host.main import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)
_GRACE_S = 10.0
_POLL_S = 0.5


class EngineHost:
    """A running host process.

    Args:
        settings: how vLLM is started.
        python: the interpreter that has vLLM; empty for this one.
        keep_open: descriptors that the host inherits, such as those of a lease.
    """

    def __init__(
        self,
        settings: HostSettings,
        *,
        python: str = "",
        keep_open: Sequence[int] = (),
    ) -> None:
        """Start the process and send the settings; `wait_until_ready` waits for vLLM."""
        self.settings = settings
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the host
        ours, theirs = socket.socketpair()
        reading, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(
                [
                    python or sys.executable,
                    "-c",
                    _PROGRAM,
                    str(Path(quarry.__file__).resolve().parents[1]),
                    str(theirs.fileno()),
                    str(reading),
                ],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env=_environment(settings),
                pass_fds=(theirs.fileno(), reading, *keep_open),
                start_new_session=True,
            )
        except BaseException:
            os.close(self._lifeline)
            ours.close()
            self._log.close()
            raise
        finally:
            theirs.close()
            os.close(reading)
        self._channel = Channel(ours)
        with contextlib.suppress(OSError):  # it has ended; `wait_until_ready` says why
            self._channel.send({"settings": settings.to_json()})

    @property
    def is_running(self) -> bool:
        """Whether the host has not ended."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Id of the host process, and of its session."""
        return self._process.pid

    def peak_memory_bytes(self) -> int:
        """Most memory that the host and vLLM's processes have taken: of the GPUs, else resident."""
        members = session_members(self.pid)
        if self.settings.is_on_cpu:
            return sum(peak_resident_bytes(pid) for pid in members)
        return gpu_memory_bytes(members)

    def wait_until_ready(self) -> dict[str, Any]:
        """What the host says when vLLM has loaded the model: versions, and seconds it took.

        Raises:
            EngineMemoryError: memory ran out.
            ModelLoadError: vLLM can't run this model, or is not installed.
        """
        try:
            return self.receive()
        except EngineDiedError as error:
            raise ModelLoadError(
                "vLLM could not load a model",
                where=self.settings.source,
                expected="a model that vLLM supports, and vLLM in the interpreter that runs it",
                got=error.got,
                fix=error.fix,
            ) from error

    def send(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            EngineDiedError: the host has ended.
            EngineMemoryError: it has, since memory ran out.
        """
        try:
            self._channel.send(message)
        except OSError:
            raise self._failure("") from None

    def receive(self) -> dict[str, Any]:
        """The next message, however long it takes.

        Raises:
            EngineDiedError: the host has ended, or says that it can't go on.
            EngineMemoryError: it has, since memory ran out.
        """
        while (message := self._channel.receive(_POLL_S)) is None:
            if self._channel.is_closed or self._process.poll() is not None:
                message = self._channel.receive(0)
                if message is None:
                    raise self._failure("")
                break
        if message.get("event") == "failed":
            raise self._failure(str(message["reason"]))
        return message

    def close(self) -> None:
        """End the host and everything it started; a second call does nothing."""
        self._end()
        self._log.close()

    def __enter__(self) -> Self:
        """The host itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()

    def _end(self) -> None:
        """Let go of the lifeline, so that the watcher ends the session; see that nothing is left.

        When this returns, the memory of vLLM's processes is free.
        """
        if self._lifeline < 0:
            return
        self._channel.close()
        os.close(self._lifeline)
        self._lifeline = -1
        wait_for_end(self.pid, _GRACE_S)
        end_session(self.pid)
        self._process.wait()

    def _failure(self, reason: str) -> QuarryError:
        """The error for a host that can't go on; everything it started has ended by then."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)  # its exit status tells why
        self._end()
        code = self._process.returncode
        log = last_lines(self._log)
        got = reason or (
            f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        )
        cause = root_cause(log)
        if cause and is_consequence(got):
            got = cause
        elif cause and cause not in got:
            got = f"{got}; {cause}"
        if is_lack_of_cache(f"{reason}\n{log}"):
            return CacheTooSmallError(
                "vLLM has no room for the cache of one sequence",
                where=self.settings.source,
                expected=f"a cache for {self.settings.context_length} tokens beside the weights",
                got=got,
                fix="give it more memory (memory_share), more devices or a smaller dtype",
            )
        if is_lack_of_memory(f"{reason}\n{log}"):
            return EngineMemoryError(
                "vLLM ran out of memory",
                where=self.settings.source,
                expected=f"room for {self.settings.batch_size} sequences at once",
                got=got,
                fix="use a smaller batch_size, memory_share or dtype, or more devices",
            )
        return EngineDiedError(
            "The process that runs a model has ended",
            where=f"vLLM with {self.settings.source}",
            expected="a process that runs until it is told to end",
            got=got,
            fix="run it again: what was finished is kept; if it was killed, look for the kernel's "
            "out-of-memory messages; the end of its log:\n" + "\n".join(log.splitlines()[-15:]),
        )


def _environment(settings: HostSettings) -> dict[str, str]:
    """The caller's environment, and what vLLM reads from it."""
    changes = {
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",
        # The runner that hidden-state extraction was tested with.
        "VLLM_USE_V2_MODEL_RUNNER": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "INFO",
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # What is left behind when vLLM is killed is removed, and is nobody's concern.
        "PYTHONWARNINGS": ",".join(
            [*filter(None, [os.environ.get("PYTHONWARNINGS")]), "ignore:resource_tracker"]
        ),
    }
    if settings.is_on_cpu:
        changes["CUDA_VISIBLE_DEVICES"] = ""
    elif settings.devices != ("auto",):
        changes["CUDA_VISIBLE_DEVICES"] = visible_devices(settings.devices)
    return {**os.environ, **changes}


def visible_devices(devices: Sequence[str]) -> str:
    """`CUDA_VISIBLE_DEVICES` for a child that shall see these devices of ours alone."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    ours = None if visible is None else [name.strip() for name in visible.split(",")]
    numbers = [int(device.removeprefix("cuda:")) for device in devices]
    return ",".join(str(number) if ours is None else ours[number] for number in numbers)

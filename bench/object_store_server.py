"""The server of `object_store`: the tests' Backblaze B2 in a process of its own.

Run as a program it serves until its standard input ends, and does what the lines there say.
`ServerProcess` is the other end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
BUCKET = "quarry-bench"
PART_BYTES = 16 << 20
SMALLEST_PART_BYTES = 5_000_000
END_S = 30.0

Entry = tuple[str, str, str, int]
"""What a plan says of a file: path, name in the bucket, BLAKE3, size in bytes."""


class ServerProcess:
    """A running server: its address, and what can be asked of it.

    Args:
        part_bytes: the part size that it recommends to clients.
    """

    def __init__(self, part_bytes: int = PART_BYTES) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), str(part_bytes)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        address = self._answer()
        self.url: str = address["url"]
        self.key_id: str = address["key_id"]
        self.key: str = address["key"]

    def __enter__(self) -> Self:
        """It runs already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def cpu_s(self) -> float:
        """Processor time that it has used."""
        return self._ask("cpu")["cpu_s"]

    def n_requests(self) -> int:
        """How many requests it got."""
        return self._ask("count")["n_requests"]

    def n_parts(self) -> int:
        """How many parts of large files were on their way to it."""
        return self._ask("count")["n_parts"]

    def n_objects(self) -> int:
        """How many objects are visible."""
        return self._ask("count")["n_objects"]

    def empty(self) -> None:
        """Drop all objects and faults."""
        self._ask("empty")

    def rot(self) -> None:
        """Flip a bit in the middle of every object."""
        self._ask("rot")

    def fault(self, kind: str) -> None:
        """Let the next download go wrong; see `tests.b2_server.FaultKind`."""
        self._ask("fault", kind=kind)

    def _ask(self, what: str, **fields: Any) -> dict[str, Any]:
        """One line there, one line back."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"what": what, **fields}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        """The next line of the process."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the server ended early, with {self._process.wait()}")
        return json.loads(line)


def serve(part_bytes: int) -> None:
    """Serve, and obey standard input."""
    from tests.b2_server import B2Server

    with B2Server(BUCKET, SMALLEST_PART_BYTES, part_bytes) as server:
        tell({"url": server.url, "key_id": server.key_id, "key": server.key})
        for line in sys.stdin:
            request: dict[str, Any] = json.loads(line)
            tell(obey(server, request.pop("what"), request))


def obey(server: Any, what: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Do what a line says."""
    from tests.b2_server import Fault, FaultKind

    if what == "empty":
        server.faults.clear()
        for name in {each.name for each in server.versions()}:
            server.lose(name)
    elif what == "rot":
        for name, each in server.objects().items():
            server.rot(name, each.size_bytes // 2)
    elif what == "fault":
        server.faults.add(Fault(FaultKind(fields["kind"]), "download_*"))
    return {
        "cpu_s": time.process_time(),
        "n_requests": len(server.requests),
        "n_parts": server.count("upload_part"),
        "n_objects": len(server.objects()),
    }


def tell(answer: dict[str, Any]) -> None:
    """One line to the parent."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(int(sys.argv[1]))

"""`RunningUi`: which Dagster `quarry ui` says that it has started on this instance.

The file lies in the instance's directory. Nobody removes it at the end, since `dagster dev` takes
the place of the process that wrote it, and nobody later: whoever removed a stale one might hit
what another has written meanwhile. One whose process has ended is passed over, and overwritten.
"""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from quarry.processes import host_mark, is_alive
from quarry.trajectory.space import disk_named

_FILE = "ui.json"


@dataclass(frozen=True)
class RunningUi:
    """What `quarry ui` said when it started.

    Args:
        url: where a browser finds it.
        pid: its process, which `dagster dev` then is.
        host: the machine or container whose process that is.
        started_at: seconds since 1970.
        data_dir: the data directory that its runs work on.
        catalog: the catalog that it shows.
    """

    url: str
    pid: int
    host: str
    started_at: float
    data_dir: str
    catalog: str

    @classmethod
    def of_this_process(cls, port: int, *, data_dir: Path, catalog: Path) -> RunningUi:
        """What this process should say before it becomes `dagster dev`."""
        url, now = f"http://127.0.0.1:{port}", time.time()
        return cls(url, os.getpid(), host_mark(), now, str(data_dir), str(catalog))

    @property
    def is_here(self) -> bool:
        """Whether its process would be one of this machine or container."""
        return self.host == host_mark()

    @property
    def is_gone(self) -> bool:
        """Whether its process has certainly ended: nobody here has its id."""
        return self.is_here and not is_alive(self.pid, math.inf)

    @property
    def is_certain(self) -> bool:
        """Whether its process certainly lives.

        Neither of these is so where another machine started it, or where a process with its id
        seems younger than it: another one, or the clock was set since.
        """
        return self.is_here and is_alive(self.pid, self.started_at)

    def write(self, home: Path) -> None:
        """Say so in the instance's directory."""
        path = home / _FILE
        with disk_named(path):
            partial = path.with_name(f".{_FILE}.{os.getpid()}")
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
            partial.replace(path)


def recorded_ui(home: Path) -> RunningUi | None:
    """The Dagster that was started last, unless it has certainly ended or its file is damaged.

    Raises:
        DiskError: what it has said can't be read, so that nobody knows.
    """
    path = home / _FILE
    with disk_named(path):
        try:
            found = TypeAdapter(RunningUi).validate_json(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
    return None if found.is_gone else found

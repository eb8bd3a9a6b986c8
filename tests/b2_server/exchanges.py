"""The server's own record of one request and its answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Exchange:
    """What was asked, what went out. Complete by the time the client has the whole answer.

    `operation` is the service's name for it without `b2_`; the HEAD of a file counts as
    `head_file_by_name` or `head_file_by_id`. `status` is 0 where no answer was begun. `bytes_in`
    and `bytes_out` count bodies. `fault` is the kind that befell it, or empty. `seconds` is there
    once the server has turned to the next request.
    """

    method: str
    path: str
    operation: str
    name: str = ""
    requested_range: str = ""
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    fault: str = ""
    seconds: float = 0.0

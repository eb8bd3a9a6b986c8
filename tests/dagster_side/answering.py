"""A web server of a test on 127.0.0.1, which answers as a Dagster would in trouble."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOADED = {
    "workspaceOrError": {
        "locationEntries": [
            {"name": "quarry", "locationOrLoadError": {"__typename": "RepositoryLocation"}}
        ]
    }
}


@contextmanager
def answering(
    reply: Callable[[str, dict[str, Any]], tuple[int, bytes]], page: str = ""
) -> Iterator[str]:
    """The address of a server.

    Args:
        reply: status and body for a query and its variables.
        page: what a browser is given.
    """

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            self.send(200, page.encode())

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send(*reply(question["query"], question["variables"]))

        def send(self, status: int, body: bytes) -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:  # whoever asked has given up
                pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def data(found: Any) -> tuple[int, bytes]:
    """The answer with some data."""
    return 200, json.dumps({"data": found}).encode()


def page_of(instance_id: str) -> str:
    """What matters of the page of an instance."""
    return f'<script>{{"instanceId": "{instance_id}"}}</script>'

"""The listening socket and its threads: one for each connection, none left after closing."""

from __future__ import annotations

import socket
import sys
import threading
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote_plus

from tests.b2_server.account import Account
from tests.b2_server.connection import Connection
from tests.b2_server.exchanges import Exchange
from tests.b2_server.faults import Faults
from tests.b2_server.modes import Modes

POLL_S = 0.02


class Service(ThreadingHTTPServer):
    """Serves one account on a free port of loopback."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, faults: Faults, **part_sizes_bytes: int):
        super().__init__(("127.0.0.1", 0), Connection)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.account = Account(self.url, **part_sizes_bytes)
        self.faults = faults
        self.modes = Modes()
        self.exchanges: list[Exchange] = []
        self.defects: list[BaseException] = []
        self.closing = threading.Event()
        self.to_reset: set[Any] = set()
        self._open: set[socket.socket] = set()
        self._acceptor = threading.Thread(target=self.serve_forever, args=(POLL_S,), name="b2")

    def start(self) -> None:
        self._acceptor.start()

    def close(self) -> None:
        """End all connections, also stalled ones, and wait for every thread."""
        self.closing.set()
        self.shutdown()
        self._acceptor.join()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it ended meanwhile
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        if request in self.to_reset:  # a shutdown would end it in good order
            self.to_reset.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.defects.append(error)

    def name_of_file(
        self, header: str | None, field: str | None, file_id: str, upload_token: str | None
    ) -> str:
        """The file that a request is about, from whatever it gives; empty if none."""
        if header or field:
            return unquote_plus(header) if header else field or ""
        with self.account.lock:
            ticket = self.account.upload_tickets.get(upload_token or "")
            file = self.account.file(file_id or (ticket and ticket.file_id) or "")
            return file.name if file else ""

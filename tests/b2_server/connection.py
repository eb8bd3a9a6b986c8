"""One HTTP connection: read a request, choose its fault, do the operation, send the answer."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from b2sdk.v3.exception import B2Error

from tests.b2_server import downloads, misbehaviour, uploads
from tests.b2_server.account_operations import ACCOUNT_OPERATIONS
from tests.b2_server.answers import Answer, json_answer, refusal_answer
from tests.b2_server.exchanges import Exchange
from tests.b2_server.faults import Fault, FaultKind
from tests.b2_server.file_operations import FILE_OPERATIONS
from tests.b2_server.misbehaviour import Cut
from tests.b2_server.modes import HEADER
from tests.b2_server.refusals import Refusal, from_simulator
from tests.b2_server.routes import Route, find_route, no_such_operation

if TYPE_CHECKING:
    from tests.b2_server.service import Service

OPERATIONS = {**ACCOUNT_OPERATIONS, **FILE_OPERATIONS}
LINGER_ZERO = struct.pack("ii", 1, 0)  # makes close() send a reset instead of the bytes still due


class Connection(BaseHTTPRequestHandler):
    """Serves requests until the client or a fault ends the connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        started_s = time.monotonic()
        route = find_route(self.command, self.path)
        exchange = Exchange(self.command, self.path, route.operation, route.name)
        self.server.exchanges.append(exchange)
        try:
            self._serve(route, exchange)
        except Cut as cut:
            self.close_connection = True
            if cut.by_reset:
                self._reset()
        except ConnectionError:  # the client hung up
            self.close_connection = True
        finally:
            exchange.seconds = time.monotonic() - started_s

    do_HEAD = do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """`exchanges` is the log."""

    def _serve(self, route: Route, exchange: Exchange) -> None:
        exchange.requested_range = self.headers.get("Range") or ""
        data = bytearray()
        if not route.is_upload:
            data = self._read_body(exchange)
        fields = json.loads(data) if data else {}
        exchange.name = exchange.name or self._name_of_file(route, fields)
        mode = self.headers.get(HEADER)
        fault = self.server.faults.choose(route.operation, exchange.name)
        fault = fault or self.server.modes.choose(mode, route.operation)
        exchange.fault = fault.kind if fault else ""
        if route.is_upload:
            data = self._read_body(exchange, fault)
        misbehaviour.before(fault, self.server.closing)
        answer = self._answer(route, fault, fields, data)
        if fault and fault.kind == FaultKind.LOST_ANSWER:
            raise Cut
        misbehaviour.spoil_answer(fault, answer)
        self._send(answer, fault, exchange)

    def _name_of_file(self, route: Route, fields: Mapping[str, Any]) -> str:
        file_id = route.file_id or fields.get("fileId") or fields.get("sourceFileId") or ""
        return self.server.name_of_file(
            self.headers.get("X-Bz-File-Name"),
            fields.get("fileName"),
            file_id,
            self.headers.get("Authorization") if route.is_upload else None,
        )

    def _read_body(self, exchange: Exchange, fault: Fault | None = None) -> bytearray:
        """The whole body, read in place; a fault may break it off."""
        size = int(self.headers.get("Content-Length") or 0)
        breaks_off = fault is not None and fault.kind == FaultKind.RESET_IN_UPLOAD
        end = int(size * fault.at) if fault and breaks_off else size
        data = bytearray(end)
        view = memoryview(data)
        while exchange.bytes_in < end:
            count = self.rfile.readinto(view[exchange.bytes_in :])  # pyright: ignore[reportAttributeAccessIssue]
            if not count:
                raise ConnectionResetError("the client hung up inside of a body")
            exchange.bytes_in += count
        view.release()
        if breaks_off:
            raise Cut
        return data

    def _answer(
        self, route: Route, fault: Fault | None, fields: dict[str, Any], data: bytearray
    ) -> Answer:
        try:
            misbehaviour.refuse(fault)
            return self._perform(route, fault, fields, data)
        except Exception as error:  # noqa: BLE001  b2sdk would retry a dropped connection for minutes
            return refusal_answer(self._as_refusal(error))

    def _as_refusal(self, error: Exception) -> Refusal:
        if isinstance(error, Refusal):
            return error
        try:
            return from_simulator(error) if isinstance(error, B2Error) else self._defect(error)
        except B2Error as unknown:
            return self._defect(unknown)

    def _defect(self, error: Exception) -> Refusal:
        """A mistake in this server: told to the client, and raised when the server closes."""
        self.server.defects.append(error)
        return Refusal(400, "bad_request", f"the test server failed: {error!r}")

    def _perform(
        self, route: Route, fault: Fault | None, fields: dict[str, Any], data: bytearray
    ) -> Answer:
        account, token = self.server.account, self.headers.get("Authorization") or ""
        if route.is_download:
            answer = self._download(route, token)
            if fault and fault.kind == FaultKind.WRONG_SHA1_RETURNED:
                answer.headers["x-bz-content-sha1"] = misbehaviour.WRONG_SHA1
            return answer
        if route.is_upload:
            return self._upload(route, token, fault, data)
        operation = OPERATIONS.get(route.operation)
        if operation is None:
            raise no_such_operation(self.path)
        with account.lock:
            return json_answer(operation(account, token, fields, route.version))

    def _download(self, route: Route, token: str) -> Answer:
        account, headers = self.server.account, self.headers
        if route.file_id:
            return downloads.download_by_id(account, token, route.file_id, headers)
        return downloads.download_by_name(account, token, route.bucket_name, route.name, headers)

    def _upload(self, route: Route, token: str, fault: Fault | None, data: bytearray) -> Answer:
        account = self.server.account
        store = uploads.upload_file if route.operation == "upload_file" else uploads.upload_part
        with uploads.one_at_a_time(account, token):
            with account.lock:
                uploads.ticket_of(account, token)
            stored, content = store(account, token, self.headers, data)
        misbehaviour.spoil_stored(fault, stored)
        if fault and fault.kind == FaultKind.WRONG_SHA1_RETURNED:
            content["contentSha1"] = misbehaviour.WRONG_SHA1
        return json_answer(content)

    def _send(self, answer: Answer, fault: Fault | None, exchange: Exchange) -> None:
        exchange.status = answer.status
        self.send_response(answer.status)
        for key, value in {**answer.headers, "content-length": str(len(answer.body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in misbehaviour.pieces(fault, answer.body, self.server.closing):
            exchange.bytes_out += len(piece)  # first, so a client that has all finds it complete
            self.wfile.write(piece)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self.server.to_reset.add(self.connection)

"""The least that a client can do, for `object_store`: the same bytes over plain sockets.

    python bench/object_store_floor.py up|down PLAN CONNECTIONS

Uploads are `sendfile` from the page cache, with no digest made or asked for; downloads are received
into one buffer and dropped. Nothing is verified, retried or written.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from object_store_server import BUCKET, PART_BYTES, Entry

BUFFER_BYTES = 1 << 20
Slice = tuple[str, str, int, int, int]
"""Path, name, part number (0: a whole file), offset and size in bytes."""


class Floor:
    """An authorised account."""

    def __init__(self) -> None:
        self.host = urlsplit(os.environ["BENCH_URL"]).netloc
        key = f"{os.environ['BENCH_KEY_ID']}:{os.environ['BENCH_KEY']}".encode()
        self.token = f"Basic {base64.b64encode(key).decode()}"
        account = self.ask("authorize_account")
        self.token = account["authorizationToken"]
        buckets = self.ask("list_buckets", accountId=account["accountId"], bucketName=BUCKET)
        self.bucket_id = buckets["buckets"][0]["bucketId"]

    def ask(self, operation: str, **fields: Any) -> dict[str, Any]:
        """One JSON operation."""
        connection = http.client.HTTPConnection(self.host)
        headers = {"Authorization": self.token}
        connection.request("POST", f"/b2api/v4/b2_{operation}", json.dumps(fields), headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def upload(self, slices: list[Slice], file_id: str) -> list[tuple[int, str]]:
        """Some slices over one connection; part numbers and SHA-1."""
        large = bool(file_id)
        target = {"fileId": file_id} if large else {"bucketId": self.bucket_id}
        ticket = self.ask("get_upload_part_url" if large else "get_upload_url", **target)
        connection, stored = self._connect(), list[tuple[int, str]]()
        for path, name, number, offset, size in slices:
            head = f"POST {urlsplit(ticket['uploadUrl']).path} HTTP/1.1\r\nHost: {self.host}\r\n"
            head += f"Authorization: {ticket['authorizationToken']}\r\nContent-Length: {size}\r\n"
            head += "X-Bz-Content-Sha1: do_not_verify\r\nContent-Type: application/octet-stream\r\n"
            head += f"X-Bz-Part-Number: {number}\r\n" if large else f"X-Bz-File-Name: {name}\r\n"
            connection.sendall(head.encode() + b"\r\n")
            with Path(path).open("rb") as file:
                connection.sendfile(file, offset, size)
            stored.append((number, json.loads(_answered(connection).read())["contentSha1"]))
        connection.close()
        return stored

    def download(self, slices: list[Slice]) -> None:
        """Some slices over one connection."""
        connection, buffer = self._connect(), memoryview(bytearray(BUFFER_BYTES))
        for _, name, _, offset, size in slices:
            head = f"GET /file/{BUCKET}/{name} HTTP/1.1\r\nHost: {self.host}\r\n"
            head += f"Range: bytes={offset}-{offset + size - 1}\r\nAuthorization: {self.token}\r\n"
            connection.sendall(head.encode() + b"\r\n")
            answer, n_bytes = _answered(connection), 0
            while count := answer.readinto(buffer):
                n_bytes += count
            if n_bytes != size:
                raise SystemExit(f"{n_bytes:,} of {size:,} bytes came")
        connection.close()

    def _connect(self) -> socket.socket:
        """A connection to the server."""
        host, _, port = self.host.partition(":")
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def _answered(connection: socket.socket) -> http.client.HTTPResponse:
    """The head of an answer, which must be a good one."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    if answer.status >= 300:
        raise SystemExit(f"{answer.status} {answer.read()!r}")
    return answer


def cut(plan: list[Entry]) -> list[Slice]:
    """A single file in parts, several files whole."""
    if len(plan) > 1:
        return [(path, name, 0, 0, size) for path, name, _, size in plan]
    path, name, _, size = plan[0]
    starts = range(0, size, PART_BYTES)
    return [
        (path, name, number, start, min(PART_BYTES, size - start))
        for number, start in enumerate(starts, start=1)
    ]


def main() -> None:
    """Move the bytes."""
    direction, plan_path, connections = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    floor, plan = Floor(), json.loads(plan_path.read_text())
    slices, file_id = cut(plan), ""
    is_parts = len(plan) == 1 and len(slices) > 1
    if direction == "up" and is_parts:
        file_id = floor.ask(
            "start_large_file",
            bucketId=floor.bucket_id,
            fileName=plan[0][1],
            contentType="application/octet-stream",
        )["fileId"]
    hands = [hand for start in range(connections) if (hand := slices[start::connections])]
    with ThreadPoolExecutor(connections) as pool:
        if direction == "down":
            list(pool.map(floor.download, hands))
            return
        sent = list(pool.map(lambda hand: floor.upload(hand, file_id), hands))
    if file_id:
        sha1s = [sha1 for _, sha1 in sorted(each for hand in sent for each in hand)]
        floor.ask("finish_large_file", fileId=file_id, partSha1Array=sha1s)


if __name__ == "__main__":
    main()

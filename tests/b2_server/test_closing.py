from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.b2_server import B2Server, Fault, FaultKind

PATIENCE_S = 20


def open_sockets() -> set[str]:
    """The sockets of this process, from /proc."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:  # the descriptor of the listing itself
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def test_closing_leaves_no_thread_and_no_socket(large_path: Path, tmp_path: Path):
    threads, sockets = set(threading.enumerate()), open_sockets()
    with B2Server() as server:
        bucket: Any = server.client_bucket()
        bucket.upload_local_file(large_path, "large")
        bucket.download_file_by_name("large").save_to(tmp_path / "back")
        started = set(threading.enumerate()) - threads
        assert started
    for thread in started:
        thread.join(PATIENCE_S)
    assert set(threading.enumerate()) <= threads
    assert open_sockets() <= sockets


@pytest.mark.parametrize("kind", [FaultKind.STALLED, FaultKind.STALLED_BODY])
def test_closing_ends_a_stalled_answer(small: bytes, kind: FaultKind):
    with ThreadPoolExecutor(1) as pool, requests.Session() as session:
        session.trust_env = False
        with B2Server() as server:
            server.create_bucket("open", public=True)
            server.api().get_bucket_by_name("open").upload_bytes(small, "s")
            server.faults.add(Fault(kind, "download_*"))
            waiting = pool.submit(session.get, f"{server.url}/file/open/s", timeout=PATIENCE_S)
            stalled = threading.Event()
            while not server.faults.fired():
                stalled.wait(0.01)
        assert isinstance(waiting.exception(), requests.RequestException)


def test_a_closed_server_is_not_there():
    with B2Server() as server:
        port = int(server.url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def test_a_client_that_hangs_up_harms_nobody(server: B2Server, bucket: Any, small: bytes):
    port = int(server.url.rpartition(":")[2])
    for request in (b"", b"POST /upload/file/1 HTTP/1.1\r\nContent-Length: 9000\r\n\r\nabc"):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            connection.sendall(request)
    bucket.upload_bytes(small, "s")
    assert list(server.objects()) == ["s"]


def test_a_mistake_in_the_server_is_told_and_raised_on_leaving():
    server = B2Server()
    server.__enter__()
    bucket: Any = server.client_bucket()
    started = bucket.api.services.large_file.start_large_file(bucket.id_, "l", "b2/x-auto", {})
    url = bucket.api.session.get_upload_part_url(started.file_id)
    headers = {
        "Authorization": url["authorizationToken"],
        "X-Bz-Part-Number": "one",
        "X-Bz-Content-Sha1": "do_not_verify",
    }
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(url["uploadUrl"], data=b"x", headers=headers)
    assert "the test server failed" in answer.json()["message"]
    with pytest.raises(ValueError, match="invalid literal"):
        server.__exit__(None, None, None)


def test_what_the_service_does_not_know_is_not_found(server: B2Server):
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{server.url}/nothing").json()["code"] == "not_found"
        answer = session.post(f"{server.url}/b2api/v3/b2_fly", json={})
        assert (answer.status_code, answer.json()["status"]) == (404, 404)

"""Runs and ticks of row 19, those that go well and those that fail, each in its way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from unittest.mock import patch

import dagster as dg

from quarry.storage.b2_key import KEY_ID_VARIABLE, KEY_VARIABLE
from tests.b2_server.faults import Fault, FaultKind
from tests.soak.secrets_careless import JOB as CARELESS
from tests.soak.secrets_case import Case
from tests.soak.secrets_platform import SecretPlatform, short_deadline

ASKS = {"ops": {"show_everything": {"config": {"asks": True}}}}
FULL = {"ops": {"remote_integrity": {"config": {"level": "full"}}}}


def sound_runs() -> list[Case]:
    """Runs and ticks that go well, with or without trouble on the way."""
    passing = {
        "expired token": Fault(FaultKind.EXPIRED_AUTH_TOKEN, "list_file_versions"),
        "reset": Fault(FaultKind.RESET_BEFORE_ANSWER, times=2),
        "lost answer": Fault(FaultKind.LOST_ANSWER, "list_file_versions"),
        "busy": Fault(FaultKind.SERVICE_UNAVAILABLE, times=2),
    }
    return [
        Case("copy", "run", lambda one: one.run("copy_cells")),
        Case("check of a copy", "run", lambda one: one.run("verify_copies")),
        Case("full check of a copy", "run", lambda one: one.run("verify_copies", config=FULL)),
        Case("inventory", "run", lambda one: one.run("take_inventory")),
        Case("restore", "run", _restore),
        Case("check of a file", "run", lambda one: one.run("verify_cells")),
        Case("missing input fetched", "run", _bring_back),
        Case("tick of the healing sensor", "run", _tick),
        *(
            Case(f"{name}, then a copy", "run", partial(_faulty, fault, succeeds=True))
            for name, fault in passing.items()
        ),
    ]


def failing_runs() -> list[Case]:
    """Runs and ticks that fail, each in its way."""
    lasting = {
        "bad token": Fault(FaultKind.BAD_AUTH_TOKEN, "list_file_versions", times=None),
        "no end of expired tokens": Fault(
            FaultKind.EXPIRED_AUTH_TOKEN, "list_file_versions", times=None
        ),
        "storage cap": Fault(FaultKind.STORAGE_CAP_EXCEEDED, "upload_*", times=None),
        "transaction cap": Fault(FaultKind.TRANSACTION_CAP_EXCEEDED, times=None),
        "resets": Fault(FaultKind.RESET_BEFORE_ANSWER, times=None),
        "resets from the authorisation on": Fault(
            FaultKind.RESET_BEFORE_ANSWER, "authorize_account", times=None
        ),
        "busy for ever": Fault(FaultKind.SERVICE_UNAVAILABLE, times=None),
        "internal errors": Fault(FaultKind.INTERNAL_ERROR, "authorize_account", times=None),
        "bad request": Fault(FaultKind.BAD_REQUEST, "authorize_account", times=None),
        "resets while it sends": Fault(FaultKind.RESET_IN_UPLOAD, times=None),
    }
    keys = {
        "wrong key": ("id", "wrong key"),
        "wrong id": ("wrong id", "key"),
        "id and key swapped": ("key", "id"),
        "key that may only read": ("reader id", "reader key"),
    }
    nobody = "http://127.0.0.1:1"
    return [
        *(Case(name, "run", partial(_with_key, *key)) for name, key in keys.items()),
        Case("no key", "run", _without_key),
        *(
            Case(name, "run", partial(_faulty, fault, succeeds=False))
            for name, fault in lasting.items()
        ),
        Case("no bucket", "run", lambda one: one.run("copy_cells", succeeds=False, bucket="none")),
        Case("nobody there", "run", lambda one: _fails(one, "copy_cells", realm=nobody)),
        *(Case(f"echo with {status}", "run", partial(_echo, status)) for status in (400, 401, 503)),
        Case("careless step", "run", lambda one: _fails(one, CARELESS)),
        Case("careless step, refused", "run", _careless_and_refused),
        Case("careless step, cut off", "run", _careless_and_cut_off),
        Case(
            "check of a copy, refused",
            "run",
            partial(_with_key, "id", "wrong key", "verify_copies"),
        ),
        Case("inventory, refused", "run", partial(_with_key, "id", "wrong key", "take_inventory")),
        Case("tick, refused", "run", _refused_tick),
    ]


def _fails(one: SecretPlatform, job: str, *, realm: str = "") -> str:
    return one.run(job, succeeds=False, realm=realm)


def _restore(one: SecretPlatform) -> str:
    path = one.files.trajectory(one.cells[0])
    os.truncate(path, path.stat().st_size // 2)
    return one.run("restore_cells")


def _bring_back(one: SecretPlatform) -> str:
    one.files.trajectory(one.cells[0]).unlink()
    return one.run("relabel_cells")


def _tick(one: SecretPlatform) -> str:
    definitions = one.definitions()
    sensor = definitions.get_repository_def().get_sensor_def("heal_cells")
    with dg.build_sensor_context(
        instance=one.instance,
        repository_def=definitions.get_repository_def(),
        resources=definitions.resources or {},
    ) as context:
        return repr(sensor.evaluate_tick(context))


def _faulty(fault: Fault, one: SecretPlatform, *, succeeds: bool) -> str:
    """Copy a file that the store does not have, with a fault on the way."""
    name = str(one.cells[0].trajectory_path)
    one.server.lose(name)
    one.server.faults.add(fault)
    said = one.run("copy_cells", succeeds=succeeds)
    assert one.server.faults.fired(), "the fault befell nothing"
    return said


def _with_key(key_id: str, key: str, *rest: Any) -> str:
    """Run a job, `copy_cells` by default, that fails because of its key."""
    *job, one = rest
    names = {KEY_ID_VARIABLE: one.canaries[key_id], KEY_VARIABLE: one.canaries[key]}
    one.server.lose(str(one.cells[0].trajectory_path))
    with patch.dict(os.environ, names):
        return _fails(one, *(job or ["copy_cells"]))


def _without_key(one: SecretPlatform) -> str:
    with patch.dict(os.environ):
        del os.environ[KEY_VARIABLE]
        return _fails(one, "copy_cells")


def _careless_and_refused(one: SecretPlatform) -> str:
    with patch.dict(os.environ, {KEY_VARIABLE: one.canaries["wrong key"]}):
        return one.run(CARELESS, config=ASKS, succeeds=False)


def _careless_and_cut_off(one: SecretPlatform) -> str:
    """A token is refused, and what the new one is asked for breaks off."""
    one.server.faults.add(
        Fault(FaultKind.EXPIRED_AUTH_TOKEN, "list_file_versions", times=None),
        Fault(FaultKind.RESET_BEFORE_ANSWER, "authorize_account", times=None, after=1),
    )
    said = one.run(CARELESS, config=ASKS, succeeds=False)
    assert one.server.faults.fired(FaultKind.RESET_BEFORE_ANSWER), "a new token was not asked for"
    return said


def _refused_tick(one: SecretPlatform) -> str:
    with patch.dict(os.environ, {KEY_VARIABLE: one.canaries["wrong key"]}), short_deadline():
        return _tick(one)


def _echo(status: int, one: SecretPlatform) -> str:
    """A service that quotes what it was sent."""
    with _quoting(status) as url:
        return _fails(one, "copy_cells", realm=url)


@contextmanager
def _quoting(status: int) -> Iterator[str]:
    """A web server that refuses everything with a page that quotes the request."""

    class Quoting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            page = f"you sent {self.headers} {self.rfile.read(length)!r}".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Quoting) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()

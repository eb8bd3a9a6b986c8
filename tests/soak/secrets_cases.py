"""The cases of row 19: what is done with a canary key at hand; `secrets` looks at what it left."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Literal
from unittest.mock import patch

import dagster as dg

from quarry.grading.process import Limits, run_program
from quarry.guard.guarded import Guard, run_alone
from quarry.storage.b2_key import KEY_ID_VARIABLE, KEY_VARIABLE
from quarry.storage.object_store import ObjectStore
from tests.b2_server.faults import Fault, FaultKind
from tests.soak.secrets_careless import JOB as CARELESS
from tests.soak.secrets_live import Live
from tests.soak.secrets_platform import SecretPlatform, command, short_deadline, shown

CHILD = "tests.soak.secrets_child"
ASKS = {"ops": {"show_everything": {"config": {"asks": True}}}}
FULL = {"ops": {"remote_integrity": {"config": {"level": "full"}}}}


@dataclass(frozen=True)
class Case:
    """One thing that is done.

    Args:
        name: in a few words.
        kind: where it is done.
        do: does it, and gives what a person or a tool was shown.
    """

    name: str
    kind: Literal["run", "object", "child", "command", "live"]
    do: Callable[[SecretPlatform], str]


def live_cases(live: Callable[[], Live]) -> list[Case]:
    """The cases with a real `dagster dev`, which the first of them starts."""
    pasted = {"resources": {"store": {"config": {"key": "pasted"}}}}
    return [
        Case("a copy", "live", lambda _: live().launch("copy_cells", "SUCCESS")),
        Case("a check", "live", lambda _: live().launch("verify_copies", "SUCCESS")),
        Case("a cap", "live", partial(_capped_live, live)),
        Case("a wrong key that a run meets", "live", partial(_refused_live, live)),
        Case("a tick", "live", lambda _: live().tick("heal_cells")),
        Case(
            "a key in run config", "live", lambda _: live().launch_refused("copy_cells", **pasted)
        ),
        Case("pages", "live", lambda _: live().pages()),
        Case("command lines", "live", lambda _: live().command_lines()),
    ]


def cases() -> list[Case]:
    """The cases without one, the shortest first."""
    return [*_objects(), *_children(), *_failing_runs(), *_sound_runs(), *_commands()]


def _sound_runs() -> list[Case]:
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


def _failing_runs() -> list[Case]:
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


def _objects() -> list[Case]:
    """What objects that hold or find the key show of it."""
    return [
        Case("the resource", "object", _resource_shown),
        Case("an opened store", "object", _store_shown),
        Case("the definitions", "object", lambda one: repr(vars(one.definitions()))),
        Case("an error of the store", "object", _error_shown),
    ]


def _children() -> list[Case]:
    """What children get that need no key."""
    return [
        Case("guarded child", "child", _guarded),
        Case("guarded child of its own", "child", _guarded_alone),
        Case("graded program", "child", partial(_graded, "dict(__import__('os').environ)")),
        Case(
            "graded program that looks at its grader",
            "child",
            partial(_graded, "open(f'/proc/{__import__(\"os\").getppid()}/environ').read()"),
        ),
    ]


def _commands() -> list[Case]:
    """Commands in a terminal."""
    wrong = "0000wrong"
    return [
        Case("quarry heal --plan", "command", lambda one: command("heal", "--plan", status=0)),
        Case("quarry inventory", "command", _inventory),
        Case(
            "quarry inventory, refused",
            "command",
            lambda one: command("inventory", status=2, **{KEY_ID_VARIABLE: wrong}),
        ),
        Case(
            "quarry heal --apply, refused",
            "command",
            lambda one: command("heal", "--apply", status=0, **{KEY_ID_VARIABLE: wrong}),
        ),
    ]


def _inventory(one: SecretPlatform) -> str:
    one.run("copy_cells")
    return command("inventory", status=0)


def _fails(one: SecretPlatform, job: str, **elsewhere: str) -> str:
    return one.run(job, succeeds=False, **elsewhere)


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


def _resource_shown(one: SecretPlatform) -> str:
    resource = one.deployment().object_store().process_config_and_initialize()
    manager = one.deployment().resources()["hdf5"]
    parts = [resource, vars(resource), resource.model_dump_json(), manager, resource.model_copy()]
    try:
        parts.append(pickle.dumps(resource))
    except (TypeError, AttributeError) as error:  # holds a generator of Dagster's
        parts.append(shown(error))
    return "\n".join(f"{part!r} {part}" for part in parts)


def _opened(one: SecretPlatform) -> ObjectStore:
    return one.deployment().object_store().process_config_and_initialize().open()


def _store_shown(one: SecretPlatform) -> str:
    store: Any = _opened(one)
    store.head("nothing")
    account = store._account
    parts = [store, vars(store), account, vars(account), account._key, account._session]
    for part in (store, account, account._key):
        try:
            pickle.dumps(part)
        except TypeError as error:
            parts.append(shown(error))
        else:
            raise AssertionError(f"{part!r} was pickled")
    return "\n".join(f"{part!r} {part}" for part in parts)


def _error_shown(one: SecretPlatform) -> str:
    """An error that came through every layer of b2sdk, with the locals of all frames."""
    store = _opened(one)
    store.head("nothing")
    one.server.expire_tokens()
    one.server.faults.add(Fault(FaultKind.RESET_BEFORE_ANSWER, "authorize_account", times=None))
    try:
        with short_deadline():
            store.head("nothing")
    except OSError as error:
        return shown(error)
    raise AssertionError("nothing went wrong")


def _guarded(one: SecretPlatform) -> str:
    guard = Guard()  # the one of this process may have been started before
    try:
        outcome = guard.run(CHILD, {}, 30)
        server = Path(f"/proc/{guard.server_pid}/environ").read_text(encoding="utf-8")
    finally:
        guard.close()
    assert outcome.messages, outcome.failure
    assert "HOME" in outcome.messages[0]["now"]
    return f"{outcome.messages}{server}"


def _guarded_alone(one: SecretPlatform) -> str:
    outcome = run_alone(CHILD, {}, 30)
    assert outcome.messages, outcome.failure
    return repr(outcome.messages)


def _graded(expression: str, one: SecretPlatform) -> str:
    """A program that looks for the key, and says whether it saw one."""
    key = one.canaries["key"]
    program = f"said = str({expression})\nassert 'PYTHON' in said\nassert {key!r} not in said, said"
    run = run_program(program, ["pass"], Limits())
    assert run.state == "passed" or run.report.get("exception") == "PermissionError", run
    return repr(run)


def _capped_live(live: Callable[[], Live], one: SecretPlatform) -> str:
    running = live()
    one.server.lose(str(one.cells[0].trajectory_path))
    one.server.faults.add(Fault(FaultKind.STORAGE_CAP_EXCEEDED, "upload_*", times=None))
    return running.launch("copy_cells", "FAILURE")


def _refused_live(live: Callable[[], Live], one: SecretPlatform) -> str:
    """The service forgets the key."""
    running = live()
    known = one.server._account.key_id_to_key
    kept = known.pop(one.canaries["id"])
    try:
        return running.launch("copy_cells", "FAILURE")
    finally:
        known[one.canaries["id"]] = kept

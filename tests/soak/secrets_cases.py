"""The cases of row 19; `secrets` looks at what they left and showed."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from quarry.grading.examination import Examination, Examiners
from quarry.guard.guarded import Guard, run_alone
from quarry.sandbox.limits import Limits
from quarry.storage.b2_key import KEY_ID_VARIABLE
from quarry.storage.object_store import ObjectStore
from tests.b2_server.faults import Fault, FaultKind
from tests.soak.secrets_case import Case
from tests.soak.secrets_live import Live
from tests.soak.secrets_platform import SecretPlatform, command, short_deadline, shown
from tests.soak.secrets_runs import failing_runs, sound_runs

CHILD = "tests.soak.secrets_child"


def live_cases(live: Callable[[], Live]) -> list[Case]:
    """The cases with a real `dagster dev`, which the first of them starts."""
    return [
        Case("a copy", "live", lambda _: live().launch("copy_cells", "SUCCESS")),
        Case("a check", "live", lambda _: live().launch("verify_copies", "SUCCESS")),
        Case("a cap", "live", partial(_capped_live, live)),
        Case("a wrong key that a run meets", "live", partial(_refused_live, live)),
        Case("a tick", "live", lambda _: live().tick("heal_cells")),
        Case("a key in run config", "live", partial(_pasted_live, live)),
        Case("pages", "live", lambda _: live().pages()),
        Case("command lines", "live", lambda _: live().command_lines()),
    ]


def cases() -> list[Case]:
    """The cases without one, the shortest first."""
    return [*_objects(), *_children(), *failing_runs(), *sound_runs(), *_commands()]


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
    with Examiners(Limits(), n_slots=1) as examiners:
        outcome = examiners.examine(program, Examination("said", ("pass",)))
    is_denied = outcome.report.get("exception") in {"PermissionError", "FileNotFoundError"}
    assert outcome.state == "passed" or is_denied, outcome
    return repr(outcome)


def _pasted_live(live: Callable[[], Live], one: SecretPlatform) -> str:
    """Somebody types the key into the launchpad, where there is no field for it."""
    store = {"config": {"key": one.canaries["key"], "key_id": one.canaries["id"]}}
    return live().launch_refused("copy_cells", resources={"store": store})


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

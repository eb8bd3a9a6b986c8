"""Row 19 finds what a platform leaks: each guard of the key is taken away, and a case tells."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quarry.guard import guarded
from quarry.sandbox import start
from quarry.storage import b2_http, b2_retry
from quarry.storage.b2_key import B2Key
from resources.store import ObjectStoreResource
from tests.soak.rows import rows
from tests.soak.secrets import all_cases, tried
from tests.soak.secrets_platform import SecretPlatform

Patch = pytest.MonkeyPatch
OPEN = ObjectStoreResource.open


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecretPlatform]:
    with SecretPlatform.open(tmp_path_factory.mktemp("secrets") / "platform", 1) as opened:
        yield opened


def _key_is_logged(patch: Patch) -> None:
    def open_and_tell(store: ObjectStoreResource) -> Any:
        context = store.get_resource_context()
        assert context.log is not None
        context.log.info("opening with %s", os.environ["QUARRY_B2_KEY"])
        return OPEN(store)

    patch.setattr(ObjectStoreResource, "open", open_and_tell)


def _key_is_printed(patch: Patch) -> None:
    def open_and_print(store: ObjectStoreResource) -> Any:
        sys.stdout.write(os.environ["QUARRY_B2_KEY"])
        return OPEN(store)

    patch.setattr(ObjectStoreResource, "open", open_and_print)


def _key_is_kept_in_a_file(patch: Patch) -> None:
    def open_and_keep(store: ObjectStoreResource) -> Any:
        Path(store.data_dir, "account_info").write_text(os.environ["QUARRY_B2_KEY"])
        return OPEN(store)

    patch.setattr(ObjectStoreResource, "open", open_and_keep)


def _key_has_a_repr(patch: Patch) -> None:
    patch.setattr(B2Key, "__repr__", lambda key: f"B2Key{key.reveal()}")


def _key_can_be_pickled(patch: Patch) -> None:
    patch.delattr(B2Key, "__reduce__")


def _locals_are_kept(patch: Patch) -> None:
    patch.setattr(b2_retry, "forget_locals", lambda error: None)


def _answers_are_quoted(patch: Patch) -> None:
    patch.setattr(b2_http, "without_credentials", lambda response: response)


def _children_get_all(patch: Patch) -> None:
    patch.setattr(guarded, "needed", dict)


def _programs_get_all(patch: Patch) -> None:
    patch.setattr(start, "ENVIRONMENT", dict(os.environ))


LEAKS: dict[str, tuple[Callable[[Patch], None], str]] = {
    "a log line": (_key_is_logged, "copy"),
    "a print": (_key_is_printed, "copy"),
    "a file": (_key_is_kept_in_a_file, "copy"),
    "a repr": (_key_has_a_repr, "careless step"),
    "a repr of an opened store": (_key_has_a_repr, "an opened store"),
    "local variables in a log": (_locals_are_kept, "careless step, refused"),
    "local variables after a refused token": (_locals_are_kept, "careless step, cut off"),
    "local variables in an error": (_locals_are_kept, "an error of the store"),
    "a quoted request": (_answers_are_quoted, "echo with 401"),
    "a quoted request, in vain for long": (_answers_are_quoted, "echo with 503"),
    "the environment of a child": (_children_get_all, "guarded child"),
    "the environment of a child of its own": (_children_get_all, "guarded child of its own"),
    "the environment of a program": (_programs_get_all, "graded program"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_found(leak: str, platform: SecretPlatform, monkeypatch: Patch) -> None:
    plant, name = LEAKS[leak]
    case = next(one for one in all_cases(_no_dagster) if one.name == name)
    with monkeypatch.context() as patch:
        plant(patch)
        wrong, places = tried(case, platform)
    assert places, wrong


def test_a_key_that_can_be_pickled_is_found(platform: SecretPlatform, monkeypatch: Patch) -> None:
    case = next(one for one in all_cases(_no_dagster) if one.name == "an opened store")
    with monkeypatch.context() as patch:
        _key_can_be_pickled(patch)
        wrong, _ = tried(case, platform)
    assert any("was pickled" in one for one in wrong)


def test_the_row_is_whole_with_every_case() -> None:
    assert rows()[19].n == len(all_cases(_no_dagster))


def _no_dagster() -> Any:
    raise AssertionError("these cases need none")

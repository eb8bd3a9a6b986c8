"""A bucket's key is shown by no message, traceback, pickle, resource or page that quotes it."""

from __future__ import annotations

import base64
import pickle
import traceback
from pathlib import Path

import pytest
import requests

from quarry.errors import UsageError
from quarry.storage.b2_key import KEY_ID_VARIABLE, KEY_VARIABLE, B2Key
from quarry.storage.b2_secrecy import forget_locals, without_credentials
from quarry.storage.opening import open_store
from resources.store import ObjectStoreResource

KEY = B2Key("the-id", "the/secret:key")
BASIC = "Basic " + base64.b64encode(b"the-id:the/secret:key").decode()


def answer(status: int, body: str, authorization: str | None) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = body.encode()
    made.request = requests.Request(
        "GET", "http://b2.test", headers={"Authorization": authorization} if authorization else {}
    ).prepare()
    return made


@pytest.mark.parametrize(
    ("authorization", "quoted", "shown"),
    [
        (BASIC, f"sent {BASIC}.", "sent Basic ***."),
        (BASIC, "the-id:the/secret:key was refused", "*** was refused"),
        (BASIC, "no key the/secret:key", "no key ***"),
        ("4_token==", "token 4_token== has expired", "token *** has expired"),
        ("Basic nonsense", "you sent nonsense", "you sent ***"),
        (None, "who are you?", "who are you?"),
    ],
)
def test_a_refusal_quotes_no_credentials(authorization: str, quoted: str, shown: str) -> None:
    assert without_credentials(answer(401, quoted, authorization)).text == shown


def test_an_answer_that_is_no_refusal_is_not_touched() -> None:
    assert without_credentials(answer(200, "data 4_token==", "4_token==")).text == "data 4_token=="


def fail_with(secret: str) -> None:
    try:
        raise ValueError(len(secret))
    except ValueError as error:
        raise OSError("broken") from error


def told(error: BaseException) -> list[str]:
    made = traceback.TracebackException.from_exception(error, capture_locals=True)
    return [line.strip() for line in "".join(made.format()).splitlines()]


def test_frames_that_an_error_has_left_lose_their_locals_but_not_their_lines() -> None:
    kept = "still at work"
    with pytest.raises(OSError, match="broken") as caught:
        fail_with("hidden")
    assert told(caught.value).count("secret = 'hidden'") == 2
    forget_locals(caught.value)
    assert "secret = 'hidden'" not in told(caught.value)
    assert "raise ValueError(len(secret))" in told(caught.value)
    assert f"kept = {kept!r}" in told(caught.value)


def test_errors_that_came_from_each_other_are_cleared_too() -> None:
    first, second = OSError("first"), OSError("second")
    first.__cause__, second.__cause__ = second, first
    forget_locals(first)


def test_a_key_shows_and_gives_away_nothing() -> None:
    assert (repr(KEY), str(KEY), f"{KEY}") == ("B2Key(***)",) * 3
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(KEY)


@pytest.mark.parametrize(
    ("key_id", "key", "missing"),
    [
        ("", "x", KEY_ID_VARIABLE),
        ("x", "", KEY_VARIABLE),
        ("", "", f"{KEY_ID_VARIABLE}, {KEY_VARIABLE}"),
    ],
)
def test_the_variables_that_are_missing_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key_id: str, key: str, missing: str
) -> None:
    monkeypatch.setenv(KEY_ID_VARIABLE, key_id)
    monkeypatch.setenv(KEY_VARIABLE, key)
    resource = ObjectStoreResource(data_dir=str(tmp_path), place="b2://some-bucket")
    with pytest.raises(UsageError) as caught:
        resource.open()
    assert caught.value.got == f"{missing} not set"


def test_a_bucket_without_any_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="application key"):
        open_store("b2://some-bucket", tmp_path)


def test_a_resource_has_no_field_for_a_key() -> None:
    assert set(ObjectStoreResource.model_fields) == {"data_dir", "place", "realm"}

"""Which layer is chosen, what is said where none works, and that the probe sees what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quarry.errors import GradingError, SandboxUnavailableError
from quarry.sandbox import layers, probe
from quarry.sandbox.limits import LayerChoice
from quarry.sandbox.start import ENVIRONMENT, Layer, ZygoteCommand, zygote_command

Objections = Callable[[dict[str, str]], None]


@pytest.fixture
def objections(monkeypatch: pytest.MonkeyPatch) -> Objections:
    """Makes layers unavailable by name."""

    def set_objections(those: dict[str, str]) -> None:
        monkeypatch.setattr(layers, "_objections", {})
        monkeypatch.setattr(layers, "objection", those.get)

    return set_objections


def test_the_probe_finds_no_layer_of_this_machine_leaking_or_too_narrow():
    for layer in layers.CONFINED:
        objection = layers.objection_to(layer) or ""
        assert "not denied" not in objection
        assert "though a program may" not in objection


def test_a_program_without_confinement_is_seen_to_leak(monkeypatch: pytest.MonkeyPatch):
    """What would be said of a kernel that claims a layer and does not enforce it."""

    def open_door(layer: Layer, serve: str) -> ZygoteCommand:
        return zygote_command("unconfined", serve)

    monkeypatch.setattr(probe, "zygote_command", open_door)
    objection = probe.objection("fallback") or ""
    for leak in ("reading a file", "writing beside", "starting a process", "executing", "mode"):
        assert leak in objection


def test_a_box_that_does_not_start_is_an_objection_with_its_words(monkeypatch: pytest.MonkeyPatch):
    def refusing(layer: Layer, serve: str) -> ZygoteCommand:
        return ZygoteCommand(("/bin/sh", "-c", "echo no namespaces here >&2; exit 1"))

    monkeypatch.setattr(probe, "zygote_command", refusing)
    assert "no namespaces here" in (probe.objection("strict") or "")


def test_bubblewrap_that_is_not_installed_is_an_objection(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert "bwrap" in (probe.objection("strict") or "")


@pytest.mark.parametrize(
    ("missing", "choice", "chosen"),
    [
        ({}, "auto", "strict"),
        ({"strict": "no bwrap"}, "auto", "fallback"),
        ({}, "fallback", "fallback"),
        ({"strict": "no bwrap", "fallback": "no Landlock"}, "unconfined", "unconfined"),
    ],
)
def test_the_strongest_layer_that_works_is_taken(
    objections: Objections, missing: dict[str, str], choice: LayerChoice, chosen: Layer
):
    objections(missing)
    assert layers.choose(choice) == chosen


def test_nothing_runs_without_confinement_unless_it_is_asked_for(objections: Objections):
    objections({"strict": "bwrap: setting up uid map", "fallback": "ENOSYS"})
    with pytest.raises(SandboxUnavailableError) as raised:
        layers.choose("auto")
    message = str(raised.value)
    for part in ("strict: bwrap: setting up uid map", "fallback: ENOSYS", "apt install bubblewrap"):
        assert part in message
    assert "--sandbox unconfined" in message
    assert isinstance(raised.value, GradingError)


def test_a_layer_that_was_asked_for_is_not_replaced_by_a_weaker_one(objections: Objections):
    objections({"strict": "no bwrap"})
    with pytest.raises(SandboxUnavailableError, match="no bwrap"):
        layers.choose("strict")


def test_a_layer_is_tried_once(monkeypatch: pytest.MonkeyPatch):
    tried: list[str] = []
    monkeypatch.setattr(layers, "_objections", {})
    monkeypatch.setattr(layers, "objection", tried.append)
    for _ in range(3):
        layers.choose("auto")
    assert tried == ["strict"]


def test_another_system_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(layers, "_objections", {})
    monkeypatch.setattr(layers.sys, "platform", "darwin")
    with pytest.raises(SandboxUnavailableError, match="Linux"):
        layers.choose("unconfined")


def test_the_layer_in_use_is_described_with_the_reason_for_not_a_stronger_one(
    objections: Objections,
):
    objections({"strict": "no bwrap"})
    assert layers.describe() == (
        "fallback (Landlock, system-call filter, limits on resources); "
        "strict is not available: no bwrap"
    )
    assert layers.describe("unconfined").endswith("; asked for")
    objections({})
    assert layers.describe().startswith("strict (bubblewrap")


def test_the_environment_of_programs_is_a_fixed_list():
    assert zygote_command("strict").environment == ENVIRONMENT

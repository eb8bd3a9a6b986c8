"""With vLLM: its process starts once a model, and its death costs the cell that was open alone."""

import json
from pathlib import Path

import pytest

from tests.integration.commands import CLEAN, FINDINGS, call, start
from tests.integration.small_platform import SmallPlatform
from tests.integration.test_collect_command import (
    FIRST,
    PATIENCE_S,
    SECOND,
    grid,  # noqa: F401  a fixture
    samples_gone_on_from,
    statuses,
)
from tests.live_processes import descendants, kill, wait_for
from tests.vllm_environment import needs_vllm, vllm_python

START_S = 420
HOST = b"quarry.inference.host"
pytestmark = [
    needs_vllm,
    pytest.mark.slow,
    pytest.mark.timeout(3 * START_S),
    pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning"),
]


def hosts(pid: int) -> list[int]:
    """The processes that run vLLM for a command."""
    return [
        one
        for one in descendants(pid)
        if HOST in (Path("/proc") / str(one) / "cmdline").read_bytes()
    ]


def test_a_dead_engine_fails_its_cell_and_a_new_one_makes_the_others(
    grid: SmallPlatform,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("QUARRY_ENGINE", "vllm")
    monkeypatch.setenv("QUARRY_VLLM_PYTHON", vllm_python())
    staging = grid.data_dir / "staging"

    def rows_of_first() -> int:
        journals = staging.glob("*gsm8k*.journal")
        return sum(path.read_bytes().count(b"\n") - 1 for path in journals)

    child = start("collect", grid, "--json")
    try:
        wait_for(lambda: rows_of_first() >= 2, "rows of the first cell", START_S)
        [host] = hosts(child.pid)[:1]
        kill(host)
        out, err = child.communicate(timeout=START_S + PATIENCE_S)
    finally:
        kill(*descendants(child.pid))
        child.wait(timeout=30)
    assert child.returncode == FINDINGS, err
    document = json.loads(out)
    assert document["collected"] == [SECOND], err
    assert [step["partition"] for step in document["left"]] == [FIRST]
    assert statuses(grid) == {FIRST: "FAILED", SECOND: "MATERIALIZED"}
    assert err.count("engine of tiny_raw opened") == 2
    written = rows_of_first()
    assert written >= 2

    code, out, err = call("collect", grid, "--json")

    assert code == CLEAN, err
    assert json.loads(out)["collected"] == [FIRST]
    [kept] = samples_gone_on_from(grid)
    assert kept >= written
    assert set(statuses(grid).values()) == {"MATERIALIZED"}

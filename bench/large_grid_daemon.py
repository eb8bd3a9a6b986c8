"""What ticks of a large grid take in Dagster's daemon, as its pages show them.

The sensors that are on by default, and the one that labels and audits. The first ticks launch runs
for what has rotted, which share the machine; the last ones find nothing to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.large_grid_measures import Measured
from commands.graphql import REPOSITORY
from commands.live_dagster import LiveDagster

SENSORS = (
    "adopt_files",
    "mark_damaged_cells",
    "reconcile_runs",
    "roll_up_verdicts",
    "label_and_audit",
)
SWITCHED_ON = "label_and_audit"
LONG_ENOUGH_S = 330.0
"""Five ticks of the slowest sensor; after that nothing new has come up for a minute or two."""
TICKS = """query ($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) {
    ... on Sensor { sensorState { ticks(limit: 50) {
        timestamp endTimestamp status runIds error { message } } } } } }"""


def rounds(live: LiveDagster) -> Iterator[Measured]:
    """The first and the last tick of every sensor.

    Args:
        live: a Dagster that has just started.
    """
    started_s = time.time()
    switch = live.start_sensor(SWITCHED_ON)
    time.sleep(LONG_ENOUGH_S)
    live.stop_sensor(switch)
    for name in SENSORS:
        yield _measured(name, _ticks(live, name, started_s))


def _ticks(live: LiveDagster, name: str, since_s: float) -> Sequence[Mapping[str, Any]]:
    """The ticks that have ended since, first ones first."""
    selector = {**REPOSITORY, "sensorName": name}
    answer = live.graphql.ask(TICKS, {"selector": selector})["sensorOrError"]
    ticks = answer["sensorState"]["ticks"]
    return [one for one in reversed(ticks) if one["timestamp"] >= since_s and one["endTimestamp"]]


def _measured(name: str, ticks: Sequence[Mapping[str, Any]]) -> Measured:
    """A row; the middle of the last three ticks is the steady one."""
    took = [one["endTimestamp"] - one["timestamp"] for one in ticks]
    n_runs = sum(len(one["runIds"]) for one in ticks)
    failed = [one["error"]["message"] for one in ticks if one["error"]]
    if not took:
        return Measured(f"daemon: {name}", float("nan"), None, "no tick has ended")
    said = f"{len(ticks)} ticks, slowest {max(took):.2f} s, {n_runs} runs; {' '.join(failed)}"
    return Measured(f"daemon: {name}", took[0], sorted(took[-3:])[len(took[-3:]) // 2], said)

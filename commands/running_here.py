"""`RunningHere`: doing what is due in this process, leaving out what others do meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from commands.instance_lock import instance_lock
from commands.output import show
from commands.planning import messages, print_passed
from quarry.planning.known import Action

if TYPE_CHECKING:
    from commands.platform import Platform
    from quarry.planning.plan import BackfillPlan
    from sensors.launcher import Outcome
    from sensors.meanwhile import Meanwhile

_TITLES: dict[Action, str] = {"collect": "Collecting", "label": "Labelling", "copy": "Copying"}
_SHARE = 10
"""Looking what others do may take this part of the time; on small grids each cell looks anew."""


class RunningHere:
    """A plan that is carried out in this process, cell after cell.

    Args:
        platform: the platform.
        plan: what is due.
        meanwhile: what was made before the plan.
    """

    def __init__(self, platform: Platform, plan: BackfillPlan, meanwhile: Meanwhile) -> None:
        self.plan = plan
        """What is or was done; what others did meanwhile is left out of it."""
        self._platform, self._meanwhile = platform, meanwhile
        self._begun: set[str] = set()
        self._passed: set[str] = set()
        self._next_look_at = 0.0

    def run(self) -> list[Outcome]:
        """Do it; what failed.

        Raises:
            QuarryError: another command holds the instance for too long.
        """
        before = self._look().prerequisites
        self.plan = replace(self.plan, prerequisites=before)
        launcher = self._platform.launcher
        runs = (launcher.materialise(one.asset, one.partition) for one in before)
        if failed := show(runs, "Samples and models", len(before)):
            return failed
        for action, part in self.plan.parts.items():
            failed += show(self._runs(action, part), _TITLES[action], len(part.rows))
        launcher.roll_up()
        return failed

    def _runs(self, action: Action, part: BackfillPlan) -> Iterator[Outcome]:
        """Run the cells of an action that are still due when their turn comes."""
        launcher = self._platform.launcher
        way = {"collect": launcher.cells, "label": launcher.labels, "copy": launcher.copy}[action]
        for cell in part.partitions():
            if time.monotonic() >= self._next_look_at:
                self._look()
            if cell not in self._passed:
                self._begun.add(cell)
                yield from way([cell])

    def _look(self) -> BackfillPlan:
        """Leave out what others do or have done; what has not been begun and is left of it."""
        from sensors.meanwhile import without

        started = time.monotonic()
        waiting = tuple(row for row in self.plan.rows if row.partition not in self._begun)
        with instance_lock(self._platform.home):
            left = self._meanwhile.still_due(replace(self.plan, rows=waiting, left_out=()))
        print_passed(left.left_out, messages())
        self._passed |= {one.partition for one in left.left_out}
        self.plan = without(self.plan, left.left_out)
        ended = time.monotonic()
        self._next_look_at = ended + (_SHARE - 1) * (ended - started)
        return left

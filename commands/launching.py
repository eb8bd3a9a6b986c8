"""Launching a plan through the Dagster that runs, so that nothing is launched twice or unknown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import requests

from commands.platform import console
from quarry.errors import NoAnswerError, QuarryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster import DagsterInstance

    from commands.graphql import GraphQL
    from commands.platform import Platform
    from quarry.planning.plan import BackfillPlan

_LATE_S, _SOON_S = 60.0, 3.0
"""How long a launch whose answer was lost is looked for: the server was slow, or it is down."""


def launch(
    platform: Platform, plan: BackfillPlan, server: GraphQL, launched: dict[str, str]
) -> None:
    """Launch a backfill for each action of a plan.

    One for each: assets of one backfill that differ in their cells would not share runs.

    Args:
        platform: the platform.
        plan: what is due.
        server: of its instance.
        launched: takes id and address of each, as soon as it is launched.

    Raises:
        QuarryError: the server refuses, or does not answer; says what was launched before.
    """
    from sensors.backfills import backfill_params

    for action, part in plan.parts.items():
        params = backfill_params(
            part, action, platform.grid, has_store=platform.store.is_configured
        )
        try:
            backfill_id = _launched(platform.instance, server, params)
        except QuarryError as error:
            raise _not_launched(error, params["title"], launched) from error
        launched[backfill_id] = url = server.backfill_url(backfill_id)
        console.print(f"{params['title']}: {url}", markup=False, soft_wrap=True)


def _launched(instance: DagsterInstance, server: GraphQL, params: Any) -> str:
    """The id of a backfill that is launched; one whose answer was lost is looked for."""
    from sensors.backfills import find_launched

    try:
        return server.launch_backfill(params)
    except NoAnswerError as error:
        is_slow = isinstance(error.__cause__, requests.Timeout)
        console.print("the server has not answered: looking whether it has launched it")
        end_s = time.monotonic() + (_LATE_S if is_slow else _SOON_S)
        while True:
            if found := find_launched(instance, params):
                return found
            if time.monotonic() > end_s:
                raise
            time.sleep(0.5)


def _not_launched(error: QuarryError, title: str, launched: Mapping[str, str]) -> QuarryError:
    """The same error, and what was launched before it."""
    before = f"launched before and going on: {', '.join(launched.values())}" if launched else ""
    again = "then run it again: what is worked on is left out"
    return QuarryError(
        f"Not launched: {title}. {error.what}",
        where=error.where,
        expected=error.expected,
        got="; ".join(part for part in (error.got, before) if part),
        fix=f"{error.fix}; {again}",
    )

"""Row 19: a canary key in the environment, and nowhere else, whatever goes well or wrong.

After each case every byte below one directory is searched: the instance with its databases and
compute logs, the data, temporary files, logs of processes; and what was printed, raised, answered.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path

from tests.soak.outcome import Outcome, Progress, Tally, silent
from tests.soak.secrets_case import Case
from tests.soak.secrets_cases import cases, live_cases
from tests.soak.secrets_live import Live
from tests.soak.secrets_platform import SecretPlatform

ROW = 19
CLAIM = "a store's key, its id and its tokens are nowhere but in the environment"
BAR = "0 places, in any form, after any case; every case ends as it is meant to"


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """The first `n` cases; those with a real `dagster dev` are the last ones."""
    tally, kinds, n_places = Tally(n, progress), Counter[str](), 0
    with SecretPlatform.open(directory, seed) as platform, ExitStack() as stack:
        started: list[Live] = []

        def live() -> Live:
            if not started:
                started.append(stack.enter_context(Live.open(platform)))
            return started[0]

        for case in all_cases(live)[:n]:
            wrong, places = tried(case, platform)
            kinds[case.kind] += 1
            n_places += len(places)
            tally.case(f"{case.kind}: {case.name}", [*wrong, *places])
        stack.close()
        left = platform.found("")
    n_places += len(left)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=f"{tally.n_held}/{n} cases ({counts}); {n_places} places that show a secret",
        bar=BAR,
        is_met=tally.is_whole and not n_places,
        seed=seed,
        misses=(*tally.misses, *left),
        facts={"places": n_places, **kinds},
    )


def all_cases(live: Callable[[], Live]) -> list[Case]:
    """Every case; those that need a `dagster dev` at the end."""
    return [*cases(), *live_cases(live)]


def tried(case: Case, platform: SecretPlatform) -> tuple[list[str], list[str]]:
    """Do what a case does.

    Args:
        case: the case.
        platform: where.

    Returns:
        What did not go as meant, and the places that show a secret since.
    """
    printed, said, wrong = io.StringIO(), "", list[str]()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            said = case.do(platform)
    except AssertionError as error:
        wrong.append(f"did not go as meant: {error}")
        said = str(error)
    platform.server.faults.clear()
    return wrong, platform.found(said + printed.getvalue())

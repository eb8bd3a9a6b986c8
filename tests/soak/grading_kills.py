"""Row 17: judges whose calls fail and whose processes are killed decide on each item once.

Both SDK judges at a time, each with half of the items and half of the kills, against a server in
this process that bills. After the kills a cap that is nearly spent has to stop a run; then one
goes to the end, and a last one finds nothing to ask.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from tests.soak.grading_campaign import Campaign, Ledger
from tests.soak.grading_strikes import MOMENTS, Moment
from tests.soak.in_memory import folder_in_memory
from tests.soak.outcome import Outcome, Progress, Tally, silent

ROW = 17
CLAIM = "grader: 30 % random API faults and kill -9"
BAR = (
    "all graded exactly once; 0 paid answers asked for again but those that a kill cut off; "
    "billed <= cap; 0 calls of a re-run"
)
FULL_N, ITEMS_A_KILL, FEWEST_KILLS = 2_000, 50, len(MOMENTS)
KINDS = ("anthropic", "openai-compatible")


def run(n: int, seed: int, directory: Path, progress: Progress = silent) -> Outcome:
    """`n` items and a kill for every 50 of them."""
    n_kills = max(FEWEST_KILLS, n // ITEMS_A_KILL)
    moments: list[Moment] = [MOMENTS[row % len(MOMENTS)] for row in range(n_kills)]
    random.Random(f"{seed}/{ROW}").shuffle(moments)
    told, share = _in_all(n, progress), len(KINDS)
    with folder_in_memory(directory) as memory, ThreadPoolExecutor(share) as pool:
        running: dict[str, Future[Ledger]] = {}
        for row, kind in enumerate(KINDS):
            (memory / kind).mkdir()
            one = Campaign(kind, (n + row) // share, moments[row::share], seed, memory / kind, told)
            running[kind] = pool.submit(one.run)
        ledgers = {kind: future.result() for kind, future in running.items()}
    return _outcome(n, seed, ledgers)


def _in_all(n: int, progress: Progress) -> Callable[[str, int], None]:
    """Progress over both judges."""
    done = Counter[str]()
    lock = Lock()

    def told(kind: str, n_done: int) -> None:
        with lock:
            if n_done > done[kind]:
                done[kind] = n_done
                progress(done.total(), n)

    return told


def _outcome(n: int, seed: int, ledgers: dict[str, Ledger]) -> Outcome:
    """What both campaigns came to."""
    tally, counts = Tally(n), Counter[str]()
    wrong: list[str] = []
    for kind, ledger in ledgers.items():
        counts.update(ledger.counts)
        wrong += [f"{kind}: {what}" for what in ledger.wrong]
        for row, of_item in enumerate(ledger.wrong_of_items):
            tally.case(f"{kind}, item {row}", of_item)
    return Outcome(
        row=ROW,
        claim=CLAIM,
        n_asked=n,
        n_reached=tally.n_held,
        figure=_figure(tally, counts, list(ledgers.values())),
        bar=BAR,
        is_met=tally.is_whole and not wrong and not counts["repeated beyond kills"],
        seed=seed,
        misses=(*wrong, *tally.misses),
        facts={**counts, "judges": {kind: _money(one) for kind, one in ledgers.items()}},
    )


def _figure(tally: Tally, counts: Counter[str], ledgers: list[Ledger]) -> str:
    """In words."""
    failed = counts["failed calls"] / max(1, counts["calls"])
    tight = " and ".join(
        f"${one.tight_billed_usd:.3f} of ${one.tight_cap_usd:.3f}" for one in ledgers
    )
    whole = " and ".join(f"${one.billed_usd:.3f} of ${one.cap_usd:.3f}" for one in ledgers)
    return (
        f"{tally.n_held}/{tally.total} graded exactly once through {counts['kills']} kills and "
        f"{counts['calls']:,} calls, {failed:.1%} of which failed; paid answers asked for again: "
        f"{counts['repeated beyond kills']}, and {counts['repeated']} that a kill cut off "
        f"({counts['cut off']} calls were in flight then), beside "
        f"{counts['billed without verdict']} billed replies without a verdict; billed when the cap "
        f"stopped a run {tight}, at the end {whole}; a re-run made {counts['calls of a re-run']} "
        "calls"
    )


def _money(ledger: Ledger) -> dict[str, float]:
    """Caps and bills."""
    return {
        "tight_cap_usd": round(ledger.tight_cap_usd, 6),
        "tight_billed_usd": round(ledger.tight_billed_usd, 6),
        "cap_usd": round(ledger.cap_usd, 6),
        "billed_usd": round(ledger.billed_usd, 6),
    }

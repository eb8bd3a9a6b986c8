"""`python -m tests.soak`: the claims about trajectory files, each tried at its full count.

    python -m tests.soak [--rows 1,2] [--n-share 1.0] [--seed 0] [--json] [--full-size]

Rows run two at a time, those whose figure is a time alone at the end. Ends with a table, and with
status 1 when a bar is not met. A file with everything that was found is printed with `--json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.soak.outcome import Outcome
from tests.soak.row_process import run_row
from tests.soak.rows import Row, rows

WORKERS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows that were asked for; returns the exit status."""
    given = _parse(arguments)
    known = rows(is_full_size=given.full_size)
    chosen = [known[number] for number in given.rows or known]
    run = partial(_run, given.n_share, given.seed, given.full_size)
    with ThreadPoolExecutor(WORKERS) as pool:
        outcomes = list(pool.map(run, [row for row in chosen if not row.is_timed]))
    outcomes += [run(row) for row in chosen if row.is_timed]
    outcomes.sort(key=lambda outcome: outcome.row)
    if given.json:
        sys.stdout.write(json.dumps([one.as_dict() for one in outcomes], indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(_table(outcomes)) + "\n")
    return 0 if all(outcome.is_met for outcome in outcomes) else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser("python -m tests.soak", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rows", type=_numbers, help="such as 1,2,7; all by default")
    parser.add_argument("--n-share", type=float, default=1.0, help="share of the full counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="everything found, as JSON")
    parser.add_argument("--full-size", action="store_true", help="row 22 on a file of 5 GB")
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    """Numbers of rows."""
    numbers = [int(part) for part in text.split(",")]
    unknown = [number for number in numbers if number not in rows()]
    if unknown:
        raise argparse.ArgumentTypeError(f"no rows {unknown}; there are {sorted(rows())}")
    return numbers


def _run(n_share: float, seed: int, is_full_size: bool, row: Row) -> Outcome:
    """Run one row and say so."""
    n = max(1, round(row.n * n_share))
    outcome = run_row(row, n, seed, is_full_size=is_full_size, log=_log)
    word = "ok" if outcome.is_met else "FAILED"
    _log(f"row {row.number}: {word} after {outcome.seconds} s")
    return outcome


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    """Figures and bars row by row, with the cases that missed, and a summary of a line each."""
    lines: list[str] = []
    for one in outcomes:
        lines += ["", f"row {one.row}: {one.claim}", f"    figure  {one.figure}"]
        lines += [f"    bar     {one.bar}", *(f"    missed  {miss}" for miss in one.misses)]
    lines += ["", " row    asked  reached  bar met  seconds  seed  claim"]
    for one in outcomes:
        word = "yes" if one.is_met else "NO"
        counts = f"{one.row:4d} {one.n_asked:8d} {one.n_reached:8d}  {word:>7s}"
        lines.append(f"{counts} {one.seconds:8.1f} {one.seed:5d}  {one.claim}")
    n_met = sum(one.is_met for one in outcomes)
    return [*lines, "", f"{n_met} of {len(outcomes)} bars met"]


def _log(line: str) -> None:
    """Progress goes to the standard error: the table may be piped."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())

"""`quarry scrub`: verify a part of a data directory in full, another part every day.

Which part is chosen in `quarry.scrub`; when each file was verified is kept in a ledger beside the
data. For cron on a machine without Dagster, whose own schedule does the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarry.cli.choices import Level
from quarry.cli.output import CLEAN, FINDINGS, emit, emit_json, progress_bar
from quarry.cli.verify import as_document, files_of, show_reports, verify_file
from quarry.errors import IntegrityError, UsageError
from quarry.scrub import Budget, ScrubPlan, choose

if TYPE_CHECKING:
    from quarry.scrub_ledger import Ledger
    from quarry.trajectory.report import Report


def scrub_directory(
    data_dir: Annotated[Path, typer.Argument(help="A data directory, searched for files.")],
    budget: Annotated[
        str, typer.Option(help="What is read a day: a share such as 5%, or such as 50GB.")
    ] = "5%",
    period_days: Annotated[
        int, typer.Option(help="Every file is verified at least once in so many days.")
    ] = 30,
    within_budget: Annotated[
        bool, typer.Option("--within-budget", help="Keep to the budget, not to the period.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be verified.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Verify some files in full, so that all are verified within a period. For daily use.

    Remembers in `scrub.json` when each file was verified. Exit code 0 when nothing is damaged, 1
    when a file is, also one that was found damaged earlier and not replaced since, 2 on wrong use.

    Example: `quarry scrub .quarry/demo/data --budget 5% --period-days 30`
    """
    amount, now = Budget.parse(budget), datetime.now(UTC)
    with _alone(data_dir):
        ledger = _ledger(data_dir, now, keep=dry_run)
        plan = choose(
            ledger.items(data_dir),
            amount,
            period_days,
            now,
            account=ledger.account,
            must_cover=not within_budget,
        )
        reports = [] if dry_run else _verify(data_dir, ledger, plan)
    condemned = ledger.condemned()
    if as_json:
        emit_json(_as_dict(plan, reports, condemned, dry_run))
    else:
        _show(plan, reports, condemned, dry_run)
    raise typer.Exit(FINDINGS if condemned and not dry_run else CLEAN)


@contextlib.contextmanager
def _alone(data_dir: Path) -> Generator[None]:
    """Hold the directory's lock: of two scrubs at once the later would forget the other's work."""
    if not data_dir.is_dir():
        raise _not_scrubbed(data_dir, "a data directory", "no such directory", "correct the path")
    directory = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _not_scrubbed(
                data_dir, "one scrub at a time", "another that runs now", "wait for it to end"
            ) from error
        except OSError:
            # some network file systems can't lock a directory; there cron has to see to it
            pass
        yield
    finally:
        os.close(directory)


def _not_scrubbed(data_dir: Path, expected: str, got: str, fix: str) -> UsageError:
    """The error for a directory that can't be scrubbed now."""
    return UsageError(
        "There is nothing to scrub", where=str(data_dir), expected=expected, got=got, fix=fix
    )


def _ledger(data_dir: Path, now: datetime, *, keep: bool) -> Ledger:
    """The ledger, brought up to date with the files that are there.

    Args:
        data_dir: the data directory.
        now: the present.
        keep: change nothing on disk.
    """
    from quarry.scrub_ledger import NAME, Ledger, read_ledger, set_aside, write_ledger

    path = data_dir / NAME
    try:
        ledger = read_ledger(path)
    except IntegrityError as error:
        ledger = Ledger()
        where = path if keep else set_aside(path)
        _say(f"{error}\n  every file counts as never verified; the damaged ledger is {where}")
    gone = ledger.look(data_dir, list(files_of(data_dir)), now)
    if gone:
        _say(f"{len(gone)} files are gone that an earlier scrub knew: {', '.join(gone)}")
    if not keep:
        write_ledger(path, ledger)
    return ledger


def _verify(data_dir: Path, ledger: Ledger, plan: ScrubPlan) -> list[Report]:
    """Verify what is chosen; each verdict is in the ledger before the next file is begun."""
    from quarry.scrub_ledger import NAME, write_ledger

    reports: list[Report] = []
    read_bytes = 0
    with progress_bar() as advance:
        for item in plan.chosen:
            if advance:
                advance(read_bytes, plan.size_bytes, item.name)
            begun_at = datetime.now(UTC)
            report = verify_file(data_dir / item.name, Level.FULL)
            reports.append(report)
            read_bytes += item.size_bytes
            ledger.record(item.name, begun_at, is_clean=report.is_clean)
            ledger.account = plan.account(read_bytes)
            write_ledger(data_dir / NAME, ledger)
    return reports


def _as_dict(
    plan: ScrubPlan, reports: list[Report], condemned: list[str], dry_run: bool
) -> dict[str, Any]:
    """The JSON document: that of `quarry verify`, with the plan."""
    return as_document(reports, Level.FULL) | {
        "is_clean": not condemned,
        "is_dry_run": dry_run,
        "damaged": condemned,
        "plan": {
            "chosen": [item.name for item in plan.chosen],
            "overdue": [item.name for item in plan.overdue],
            "size_bytes": plan.size_bytes,
            "total_bytes": plan.total_bytes,
            "daily_bytes": plan.daily_bytes,
            "allowed_bytes": plan.allowed_bytes,
            "is_raised": plan.is_raised,
            "suffices": plan.suffices,
            "sufficient_bytes": plan.sufficient_bytes,
            "next_day": plan.next_day and plan.next_day.isoformat(),
        },
    }


def _show(plan: ScrubPlan, reports: list[Report], condemned: list[str], dry_run: bool) -> None:
    """The plan in words, then what `quarry verify` shows, then damage of earlier days."""
    emit(f"{plan.explanation()}\n\n")
    if dry_run:
        for item in plan.chosen:
            last = item.last_verified
            emit(f"{item.name}  {item.size_bytes:,} B  {f'{last:%Y-%m-%d}' if last else 'never'}\n")
    elif reports:
        show_reports(reports)
    earlier = set(condemned) - {item.name for item in plan.chosen}
    for name in sorted(earlier):
        emit(f"\nerror: {name} was found damaged by an earlier scrub and is still the same file\n")
        emit("  fix: run `quarry verify` on it, then do what it says\n")


def _say(text: str) -> None:
    """A message about the scrub itself."""
    sys.stderr.write(f"quarry: {text}\n")

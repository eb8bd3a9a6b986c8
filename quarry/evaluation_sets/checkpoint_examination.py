"""Findings on one checkpoint's grading and set, with the bounds that the catalog gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quarry.catalog_evaluation import EvaluationSpec
from quarry.data_directory import DataDirectory
from quarry.equivalence.completions import read_canaries
from quarry.errors import FileMissingError
from quarry.evaluation_sets.canary_checks import check_canaries
from quarry.evaluation_sets.counts import SetCounts, count_graded
from quarry.evaluation_sets.examination import SetBounds, examine_set
from quarry.evaluation_sets.graded_checks import check_ungraded
from quarry.findings import Finding
from quarry.sampling.keys import SampledKey
from quarry.sampling.opening import read_tokenizer
from quarry.sampling.runs import checkpoint_directory, require_domain
from quarry.tables import read_table

if TYPE_CHECKING:
    from quarry.evaluation_sets.masking_checks import Decode

Facts = dict[str, str | int | float]


def examine_grading(
    spec: EvaluationSpec, key: SampledKey, files: DataDirectory
) -> tuple[list[Finding], Facts]:
    """Whether a checkpoint's completions were graded, by a grader that can be trusted.

    Args:
        spec: bounds.
        key: the checkpoint.
        files: where its graded completions are.

    Raises:
        QuarryError: they can't be read.
    """
    bounds = spec.domains[require_domain(spec, key.run)].bounds
    graded = read_table(files.root / key.graded_path)
    canaries = read_canaries(files.root / key.graded_path)
    findings = [*check_ungraded(graded, most=bounds.ungraded), *check_canaries(canaries)]
    return findings, {**_facts(count_graded(graded)), "canaries": len(canaries)}


def examine_eval_set(
    spec: EvaluationSpec, key: SampledKey, files: DataDirectory, base_dir: Path
) -> tuple[list[Finding], Facts]:
    """Whether a checkpoint's set is what its consumers rely on.

    A set outlives its checkpoint: where that is gone, all but the texts of the labels is examined,
    and a warning says so.

    Args:
        spec: bounds, runs.
        key: the checkpoint.
        files: where set and graded completions are.
        base_dir: where relative paths of the catalog start.

    Raises:
        QuarryError: set, graded completions or tokenizer can't be read.
    """
    bounds = spec.domains[require_domain(spec, key.run)].bounds
    graded = read_table(files.root / key.graded_path)
    decode, gone = _decoding(spec, key, files, base_dir)
    findings = examine_set(
        files.root / key.set_path,
        graded,
        decode,
        bounds=SetBounds(
            lowest_rate=bounds.equivalence_rate[0],
            highest_rate=bounds.equivalence_rate[1],
            rate_severity="error",
            least_covered=bounds.prompts_covered,
            most_ungraded=bounds.ungraded,
        ),
    )
    return [*findings, *gone], _facts(count_graded(graded))


def _decoding(
    spec: EvaluationSpec, key: SampledKey, files: DataDirectory, base_dir: Path
) -> tuple[Decode | None, list[Finding]]:
    """How a checkpoint's tokens are read; without the checkpoint, a warning."""
    from quarry.inference.stopping import plain_text

    try:
        directory = checkpoint_directory(spec, key, files.root, base_dir)
    except FileMissingError as error:
        return None, [_without_checkpoint(error)]
    tokenizer = read_tokenizer(directory)
    return lambda ids: plain_text(tokenizer, ids), []


def _without_checkpoint(error: FileMissingError) -> Finding:
    """What can't be said of a set whose checkpoint is gone."""
    return Finding(
        check="masking_right",
        kind="no_checkpoint",
        what="Labels were not compared with the completions: the checkpoint is gone",
        where=error.where or "",
        expected=error.expected or "",
        got=error.got or "",
        cure="nothing, if it was deleted on purpose; else copy it again",
        severity="warning",
    )


def _facts(counts: SetCounts) -> Facts:
    """Plain values that checks which pass show."""
    rate = counts.rate
    shown: Facts = {"rate": round(rate.rate, 4), "interval": rate.range_text} if rate else {}
    return {**counts.as_dict(), **shown}

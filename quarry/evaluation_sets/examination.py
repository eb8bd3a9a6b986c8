"""All that the checks of an evaluation set find, from the set and the table it comes from."""

# pandas ships partial types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from quarry.evaluation_sets.canary_checks import check_canaries
from quarry.evaluation_sets.counts import count_graded
from quarry.evaluation_sets.graded_checks import check_covered, check_rate, check_ungraded
from quarry.evaluation_sets.masking_checks import Decode, check_masking
from quarry.evaluation_sets.order_checks import check_order
from quarry.evaluation_sets.reading import StoredSet, read_set
from quarry.evaluation_sets.rows import equivalent_rows, graded_id
from quarry.evaluation_sets.schema import SET_SCHEMA
from quarry.evaluation_sets.set_checks import check_set
from quarry.findings import Finding, Severity

if TYPE_CHECKING:
    import pandas as pd

    from quarry.equivalence.grader import CanaryResult

CHECKS: Final = (
    "set_intact",
    "equivalence_rate",
    "prompts_covered",
    "ungraded_share",
    "masking_right",
    "ids_unique",
    "order_stable",
    "canaries_right",
)
"""Names of the checks that findings belong to."""


@dataclass(frozen=True)
class SetBounds:
    """What is expected of a set.

    Args:
        lowest_rate: of equivalent completions among the graded ones, 0 .. 1.
        highest_rate: of equivalent completions among the graded ones, 0 .. 1.
        rate_severity: of a rate beyond these.
        least_covered: share of prompts with an equivalent completion, 0 .. 1.
        most_ungraded: share of distinct completions without a decision, 0 .. 1.
    """

    lowest_rate: float = 0.0
    highest_rate: float = 1.0
    rate_severity: Severity = "warning"
    least_covered: float = 0.5
    most_ungraded: float = 0.05


def examine_set(
    directory: Path,
    graded: pd.DataFrame,
    decode: Decode | None,
    *,
    bounds: SetBounds | None = None,
    canaries: Sequence[CanaryResult] = (),
) -> list[Finding]:
    """What is wrong with a set; each finding names one of `CHECKS`.

    Args:
        directory: of the set.
        graded: the graded table that it comes from.
        decode: of the model's tokenizer, special tokens removed; without it labels are not
            compared with the completions.
        bounds: what is expected.
        canaries: graded among the completions.

    Raises:
        FileMissingError: there is no set.
        RecordError: set or graded table can't be read.
    """
    limits = bounds or SetBounds()
    kept = [dict(record) for record in equivalent_rows(graded).to_dict("records")]
    return [
        *examine_stored(
            read_set(directory),
            decode,
            prompt_ids={graded_id(one): one["prompt_token_ids"] for one in kept},
            expected_ids=[graded_id(one) for one in kept],
        ),
        *check_rate(
            count_graded(graded),
            lowest=limits.lowest_rate,
            highest=limits.highest_rate,
            severity=limits.rate_severity,
        ),
        *check_covered(graded, least=limits.least_covered),
        *check_ungraded(graded, most=limits.most_ungraded),
        *check_canaries(canaries),
    ]


def examine_stored(
    stored: StoredSet,
    decode: Decode | None,
    *,
    prompt_ids: dict[str, Any] | None = None,
    expected_ids: Sequence[str] | None = None,
) -> list[Finding]:
    """What is wrong with a set as far as it shows by itself, and by what is known beside it.

    Args:
        stored: as `read_set` opens it.
        decode: of the model's tokenizer; may be absent.
        prompt_ids: token ids that the model was fed, by id of the row; may be absent.
        expected_ids: ids in their order; may be absent.
    """
    found = check_set(stored)
    if {*SET_SCHEMA.names} - {"metadata"} - {*stored.dataset.column_names}:
        # check_set names the columns that are absent
        return found
    rows = stored.rows()
    tokens = stored.description.tokenizer if stored.description else None
    found += check_masking(rows, tokens=tokens, decode=decode, prompt_ids=prompt_ids)
    if expected_ids is not None:
        found += check_order([str(row["id"]) for row in rows], expected_ids)
    return found

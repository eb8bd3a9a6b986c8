"""What the tags of a run say of an attempt: whose fault it was."""

import dagster as dg
import pytest

from assets.heal_outcome import outcome_tag, recorded_outcome
from quarry.errors import (
    CopyUnusableError,
    QuarryError,
    StorageDeadlineError,
    StorageError,
    StorageRefusedError,
)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (CopyUnusableError("no copy"), "copy_unusable"),
        (StorageError("gone"), "unreachable"),
        (StorageDeadlineError("too slow"), "unreachable"),
        (StorageRefusedError("a cap is exceeded"), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, QuarryError) else "",
)
def test_only_what_may_pass_by_itself_is_unreachable(error: QuarryError, outcome: str | None):
    @dg.op
    def heal(context: dg.OpExecutionContext) -> None:
        with recorded_outcome(context):
            raise error

    @dg.job
    def heals() -> None:
        heal()

    with dg.DagsterInstance.ephemeral() as instance:
        done = heals.execute_in_process(instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(done.run_id)
        assert run is not None
        assert run.is_failure
        assert run.tags.get(outcome_tag(run.run_id)) == outcome

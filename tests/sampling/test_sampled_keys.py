"""Checkpoints as partition keys and paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.errors import UnknownNameError
from quarry.keys import SLUG
from quarry.sampling.keys import SampledKey, domain_of

KEY = SampledKey("mayors-1epoch", "checkpoint_final")


@given(st.from_regex(SLUG, fullmatch=True), st.from_regex(SLUG, fullmatch=True))
def test_every_key_comes_back_from_its_partition(run: str, checkpoint: str) -> None:
    if len(run) + len(checkpoint) < 160:
        key = SampledKey(run, checkpoint)
        assert SampledKey.from_partition(key.partition) == key
    else:
        with pytest.raises(UnknownNameError, match="too long"):
            SampledKey(run, checkpoint)


@pytest.mark.parametrize(
    "partition",
    ["", "a", "@", "a@", "@b", "a@b@c", "A@b", "a b@c", "a@..", "../a@b", "é@b", "a/b@c", "a@b\n"],
)
def test_other_partitions_are_refused(partition: str) -> None:
    with pytest.raises(UnknownNameError):
        SampledKey.from_partition(partition)


def test_paths_tell_runs_and_checkpoints_apart() -> None:
    others = [SampledKey("mayors-5epochs", "checkpoint_final"), SampledKey(KEY.run, "checkpoint-1")]
    for other in others:
        for name in ("completions_path", "graded_path", "set_path", "store_path", "trained_path"):
            assert getattr(KEY, name) != getattr(other, name)
    assert str(KEY.completions_path) == (
        "evaluation/mayors-1epoch/checkpoint_final/completions.parquet"
    )
    assert str(KEY.store_path) == "staging/evaluation/mayors-1epoch/checkpoint_final.sqlite"


@pytest.mark.parametrize(
    ("run", "domain"),
    [
        ("mayors-1epoch", "mayors"),
        ("mayors-de-1epoch", "mayors-de"),
        ("mayors-de", "mayors"),
        ("mayors-deep", "mayors"),
        ("mayors", None),
        ("mayorships-1epoch", None),
        ("other", None),
    ],
)
def test_the_longest_domain_that_a_run_begins_with_is_its_own(run: str, domain: str | None) -> None:
    assert domain_of(run, ["mayors", "mayors-de"]) == domain
    assert domain_of(run, ["mayors-de", "mayors"]) == domain

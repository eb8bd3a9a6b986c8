"""Which rows of interrupted work a collection can go on from, and why others can't be used.

Where such rows lie and how each is proven is in `quarry.trajectory.kept_rows`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from quarry.errors import IntegrityError
from quarry.inference.engine import Prompt
from quarry.trajectory.kept_rows import RowSource
from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow

if TYPE_CHECKING:
    from quarry.samples import Sample

_MAY_DIFFER = ("max_seq_len", "n_samples", "collection_date", "partial_of")
_ENGINE_MAY_DIFFER = ("batch_size",)
_ENGINE_MAY_LACK = {"device_name"}
"""Of engines that did not say it yet."""


class Resumption:
    """Rows that need not be made again, by position of their sample.

    Args:
        sources: what earlier work left of the cell, see `kept_rows`.
        header: what is to be collected.
        samples: its samples, in order.
        prompts: their prompts, in the same order.
        encode: token ids of a prompt as the engine would feed them.
        log: takes a line about each source.
    """

    def __init__(
        self,
        sources: Sequence[RowSource],
        header: TrajectoryHeader,
        samples: Sequence[Sample],
        prompts: Sequence[Prompt],
        *,
        encode: Callable[[Prompt], list[int]],
        log: Callable[[str], None],
    ) -> None:
        self._kept: dict[int, tuple[RowSource, str]] = {}
        self._used: list[RowSource] = []
        for source in sources:
            differing = differences(source.header, header)
            if differing:
                log(
                    "rows of an interrupted collection are not used, since they were made with "
                    f"other settings: {'; '.join(differing)}"
                )
                continue
            taken = self._take(source, samples, prompts, encode)
            if not taken and self._has(source.sample_ids):
                source.remove()  # newer work has copies of all its rows
            else:
                self._used.append(source)
        if self._kept:
            log(f"going on from {len(self._kept)} of {len(prompts)} samples that were kept")

    def __len__(self) -> int:
        """Number of rows that are there."""
        return len(self._kept)

    def __contains__(self, index: int) -> bool:
        """Whether the row of a sample is there."""
        return index in self._kept

    def row(self, index: int) -> TrajectoryRow:
        """The row of a sample.

        Raises:
            IntegrityError: it could be proven a moment ago and can't be any more.
        """
        source, sample_id = self._kept[index]
        row = source.row(sample_id)
        if row is None:
            raise IntegrityError(
                "A kept row changed while it was being read", where=sample_id, findings=[]
            )
        return row

    def remove_used(self) -> None:
        """Delete the sources whose rows are now in a newer file."""
        for source in self._used:
            source.remove()

    def _take(
        self,
        source: RowSource,
        samples: Sequence[Sample],
        prompts: Sequence[Prompt],
        encode: Callable[[Prompt], list[int]],
    ) -> int:
        """Note the rows of a source that fit and can be proven; returns their number."""
        before = len(self._kept)
        there = set(source.sample_ids)
        for index, (sample, prompt) in enumerate(zip(samples, prompts, strict=True)):
            if sample.id not in there or index in self._kept:
                continue
            row = source.row(sample.id)
            if row is not None and _fits(row, sample, prompt, encode):
                self._kept[index] = (source, sample.id)
        return len(self._kept) - before

    def _has(self, sample_ids: Iterable[str]) -> bool:
        """Whether there are rows of all these samples."""
        return {name for _, name in self._kept.values()}.issuperset(sample_ids)


def differences(kept: TrajectoryHeader, wanted: TrajectoryHeader) -> list[str]:
    """What differs between the settings of kept rows and those of a collection, for a person.

    Numbers of samples and the batch size may differ: rows don't depend on them. Nor do they depend
    on which of several GPUs of one model it was.
    """
    old, new = _settings(kept), _settings(wanted)
    for name in _ENGINE_MAY_LACK - old["engine"].keys():
        new["engine"].pop(name, None)
    return [
        f"{name} was {old.get(name)}, is {new[name]}" for name in new if old.get(name) != new[name]
    ]


def _settings(header: TrajectoryHeader) -> dict[str, Any]:
    """The settings that decide what a row holds, as JSON would give them back."""
    values = {name: value for name, value in asdict(header).items() if name not in _MAY_DIFFER}
    engine = {
        name: value for name, value in header.engine.items() if name not in _ENGINE_MAY_DIFFER
    }
    if "device" in engine:  # files of before say `cuda:0`
        engine["device"] = str(engine["device"]).partition(":")[0]
    values["engine"] = engine
    settings: dict[str, Any] = json.loads(json.dumps(values))
    return settings


def _fits(
    row: TrajectoryRow, sample: Sample, prompt: Prompt, encode: Callable[[Prompt], list[int]]
) -> bool:
    """Whether a row is what this sample and prompt would give."""
    return (
        row.ground_truth == sample.target
        and row.exemplar_ids == prompt.exemplar_ids
        and np.array_equal(row.token_ids[: row.prompt_length], encode(prompt))
    )

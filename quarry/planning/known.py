"""`KnownGrid`: what the orchestrator knows of the cells, as plain data.

Whoever runs the assets fills it in; that a field is empty means that nothing of the kind is known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Action = Literal["collect", "label", "copy"]
"""`collect`: everything of a cell anew; `label`: from the stored outputs; `copy`: to the store."""
ACTIONS: tuple[Action, ...] = ("collect", "label", "copy")
"""The first does what the later ones do, too."""

SAMPLES, CHECKPOINTS = "benchmark_samples", "model_checkpoints"


@dataclass(frozen=True)
class KnownGrid:
    """States of partitions, by partition key.

    Args:
        failed: cells whose last run failed, by the action that does again what has failed.
        condemned: cells with failed integrity checks, and their names.
        stale: what has moved since a cell was made, by the action that renews it.
        recorded: cells whose file is known.
        busy: cells that are being worked on, and by what.
        ready: partitions of samples and checkpoints that were made, by asset.
        has_store: whether what is missing here may be fetched from second copies.
    """

    failed: Mapping[Action, Collection[str]] = field(default_factory=dict[Action, Collection[str]])
    condemned: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    stale: Mapping[Action, Mapping[str, str]] = field(
        default_factory=dict[Action, Mapping[str, str]]
    )
    recorded: Collection[str] = ()
    busy: Mapping[str, str] = field(default_factory=dict[str, str])
    ready: Mapping[str, Collection[str]] = field(default_factory=dict[str, Collection[str]])
    has_store: bool = False

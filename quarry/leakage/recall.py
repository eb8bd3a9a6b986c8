"""Measures how much of a text that was changed in a known way is still found.

Copies with each edit of `quarry.leakage.edits` are planted; what is found of them is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from quarry.leakage.edits import EDITS, Edit
from quarry.leakage.overlap import KINDS, OverlapKind, find_overlap
from quarry.leakage.settings import OverlapSettings


@dataclass(frozen=True)
class Recall:
    """What was found of the copies of one edit.

    Args:
        edit: what was done to the copies.
        n_planted: copies that differ from their originals.
        n_found: originals whose copy was found in any way.
        n_leaks: those of them whose copy counts as a leak.
        n_by_kind: originals whose copy was found in one way.
        n_false: pairs that were found of a text and another one's copy.
    """

    edit: str
    n_planted: int
    n_found: int
    n_leaks: int
    n_by_kind: Mapping[OverlapKind, int]
    n_false: int

    @property
    def rate(self) -> float:
        """Share of the copies that were found, 0 .. 1; nan where none was planted."""
        return self.n_found / self.n_planted if self.n_planted else float("nan")


def measure_recall(
    texts: Mapping[str, str],
    seed: int = 0,
    settings: OverlapSettings | None = None,
    edits: Mapping[str, Edit] = EDITS,
) -> Iterator[Recall]:
    """Plant an edited copy of every text and look for it, edit by edit.

    Args:
        texts: by id.
        seed: of the edits; the same texts and seed give the same copies.
        settings: what counts as overlap.
        edits: by name.
    """
    for name, edit in edits.items():
        copies = {id_: edit(text, Random(f"{seed}:{id_}")) for id_, text in texts.items()}
        planted = {id_: copy for id_, copy in copies.items() if copy != texts[id_]}
        overlaps = find_overlap(texts, {name: planted}, settings)
        hits = [one for one in overlaps if one.item_id == one.other_id]
        yield Recall(
            edit=name,
            n_planted=len(planted),
            n_found=len({one.item_id for one in hits}),
            n_leaks=len({one.item_id for one in hits if one.is_leak}),
            n_by_kind={kind: sum(one.kind == kind for one in hits) for kind in KINDS},
            n_false=len(overlaps) - len(hits),
        )

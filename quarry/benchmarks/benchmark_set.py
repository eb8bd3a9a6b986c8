# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""`BenchmarkSet`: the samples that a task grades and the exemplars of its prompts, and its table.

The draw is decided by the catalog alone. Prompts are built in `quarry.prompts`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from quarry.benchmarks.draw import draw_samples
from quarry.benchmarks.exemplars import choose_exemplars, without_graded_questions
from quarry.benchmarks.source import BenchmarkSource
from quarry.benchmarks.stubs import stub_exemplars
from quarry.catalog import BenchmarkSpec, Catalog
from quarry.errors import CatalogError, RecordError
from quarry.samples import Sample

if TYPE_CHECKING:
    import pandas as pd

DRAW_VERSION = "1"
"""Raised with every change that can draw other samples or read a record differently."""

COLUMNS = (
    "role", "id", "input", "target", "choices", "metadata", "task", "n_shot", "format",
)  # fmt: skip


@dataclass(frozen=True)
class BenchmarkSet:
    """One task with one shot setting.

    Args:
        task: the task's name in the catalog.
        n_shot: number of exemplars in a prompt.
        format: the source format, such as `gsm8k`.
        samples: the graded samples.
        exemplars: `n_shot` worked examples, in the order of the prompt.
    """

    task: str
    n_shot: int
    format: str
    samples: tuple[Sample, ...]
    exemplars: tuple[Sample, ...]


def draw_benchmark(
    catalog: Catalog, task: str, n_shot: int, source: BenchmarkSource
) -> BenchmarkSet:
    """Draw the graded samples and choose the exemplars of a task, by the catalog's seed.

    Raises:
        UnknownNameError: the catalog has no such task.
        CatalogError: exemplars of that format can't be shown for this task.
        SourceMissingError: a file or split is absent, or holds too few exemplars.
        RecordError: a record is malformed.
    """
    spec = catalog.benchmark(task)
    graded = source.load(spec.format, spec.split)
    exemplars: list[Sample] = []
    if n_shot:
        candidates = without_graded_questions(
            _exemplar_candidates(catalog, task, spec, source), graded
        )
        exemplars = choose_exemplars(candidates, n_shot, catalog.seed)
    return BenchmarkSet(
        task=task,
        n_shot=n_shot,
        format=spec.format,
        samples=tuple(draw_samples(graded, catalog.samples_of(task), catalog.seed)),
        exemplars=tuple(exemplars),
    )


def _exemplar_candidates(
    catalog: Catalog, task: str, spec: BenchmarkSpec, source: BenchmarkSource
) -> list[Sample]:
    """All samples that may be shown as worked examples, in the form of the task."""
    name = spec.exemplars.task or task
    format = catalog.benchmarks[name].format if name in catalog.benchmarks else name
    if format == spec.format:
        return source.load(format, spec.exemplars.split)
    if (format, spec.format) == ("mbpp", "humaneval"):
        return stub_exemplars(source.load(format, spec.exemplars.split))
    raise CatalogError(
        "Exemplars of one format can't be shown for a task of another",
        where=f"catalog {catalog.name!r}, benchmarks.{task}.exemplars.task",
        expected=f"a benchmark of format {spec.format}, or mbpp for humaneval",
        got=f"{name} of format {format}",
        fix="correct exemplars.task",
    )


def to_frame(benchmark: BenchmarkSet) -> pd.DataFrame:
    """One row a sample, graded ones first; `choices` and `metadata` are JSON texts."""
    # Imported here: prompts are built without any table.
    import pandas as pd

    rows = [
        (role, sample.id, sample.input, sample.target, json.dumps(list(sample.choices)),
         json.dumps(dict(sample.metadata)), benchmark.task, benchmark.n_shot, benchmark.format)
        for role, samples in (("graded", benchmark.samples), ("exemplar", benchmark.exemplars))
        for sample in samples
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def from_frame(frame: pd.DataFrame) -> BenchmarkSet:
    """The inverse of `to_frame`, also after a way through Parquet.

    Raises:
        RecordError: a column is missing, or the table is empty or holds several benchmarks.
    """
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise _malformed(f"the columns {', '.join(COLUMNS)}", f"no {', '.join(missing)}")
    rows = cast("list[dict[str, Any]]", frame.to_dict("records"))
    benchmarks = {(row["task"], int(row["n_shot"]), row["format"]) for row in rows}
    if len(benchmarks) != 1:
        raise _malformed("rows of one task and shot setting", f"{len(benchmarks)} of them")
    task, n_shot, format = benchmarks.pop()
    by_role: dict[str, list[Sample]] = {"graded": [], "exemplar": []}
    for row in rows:
        if row["role"] not in by_role:
            raise _malformed("the role graded or exemplar", repr(row["role"]))
        by_role[row["role"]].append(_sample(row))
    return BenchmarkSet(task, n_shot, format, tuple(by_role["graded"]), tuple(by_role["exemplar"]))


def _sample(row: dict[str, Any]) -> Sample:
    return Sample(
        id=row["id"],
        input=row["input"],
        target=row["target"],
        choices=tuple(json.loads(row["choices"])),
        metadata=json.loads(row["metadata"]),
    )


def _malformed(expected: str, got: str) -> RecordError:
    return RecordError(
        "A table of benchmark samples can't be read",
        where="benchmark_samples",
        expected=expected,
        got=got,
        fix="materialise the benchmark samples again",
    )

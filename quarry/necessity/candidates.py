"""Gathers the candidates of a catalog: its splits without what was tested or serves as example."""

# pandas ships partial types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quarry.benchmarks.exemplars import choose_exemplars
from quarry.benchmarks.source import BenchmarkSource
from quarry.catalog import Catalog
from quarry.catalog_reasoning import CodiSpec, ExplicitSpec, ReasoningSpec
from quarry.necessity.opening import Helpers, method_spec
from quarry.necessity.pool import draw_pool, problem_of
from quarry.necessity.problem import Problem
from quarry.samples import Sample
from quarry.selection.existing import read_existing, read_questions

EXEMPLAR_SPLIT = "train"


def candidate_pool(catalog: Catalog, source: BenchmarkSource, base_dir: Path) -> list[Problem]:
    """The problems that are tested, in the order of their hashes.

    Left out are questions of `tested` and `existing`, and the worked examples of explicit thoughts.

    Args:
        catalog: with a section `reasoning`.
        source: of the benchmarks.
        base_dir: where relative paths of the catalog start.

    Raises:
        CatalogError: the catalog has no tests of necessity.
        QuarryError: a file or split can't be read.
    """
    spec = catalog.reasoning_spec()
    tested = {
        question for path in spec.candidates.tested for question in read_questions(base_dir / path)
    }
    if spec.candidates.existing is not None:
        known = source_samples(spec, source)
        existing = read_existing(base_dir / spec.candidates.existing, known)
        tested |= set(map(str, existing["question"]))
    n_shot = max((one.n_shot for one in _explicit(spec)), default=0)
    tested |= {one.question for one in exemplars(catalog, source, n_shot)}
    return draw_pool(
        source_samples(spec, source), n=spec.candidates.n, seed=catalog.seed, tested=tested
    )


def source_samples(spec: ReasoningSpec, source: BenchmarkSource) -> list[Sample]:
    """All samples of the splits that candidates come from."""
    return [
        sample
        for split in spec.candidates.splits
        for sample in source.load(spec.candidates.benchmark, split)
    ]


def exemplars(catalog: Catalog, source: BenchmarkSource, n_shot: int) -> list[Problem]:
    """The worked examples that explicit thoughts are shown; more begin with fewer.

    Raises:
        SourceMissingError: the train split has not so many.
    """
    if not n_shot:
        return []
    samples = source.load(catalog.reasoning_spec().candidates.benchmark, EXEMPLAR_SPLIT)
    return [problem_of(one) for one in choose_exemplars(samples, n_shot, catalog.seed)]


def helpers_of(
    catalog: Catalog, model: str, source: BenchmarkSource, pool: Sequence[Problem]
) -> Helpers:
    """What the method of a model needs beside the problems that it tests.

    Raises:
        UnknownNameError: there is no such model.
    """
    spec = method_spec(catalog, model)
    if isinstance(spec, CodiSpec):
        return Helpers(reference=tuple(pool[: spec.n_reference]))
    return Helpers(exemplars=tuple(exemplars(catalog, source, spec.n_shot)))


def _explicit(spec: ReasoningSpec) -> list[ExplicitSpec]:
    return [one for one in spec.models.values() if isinstance(one, ExplicitSpec)]

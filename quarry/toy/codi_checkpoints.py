"""Toy CODI checkpoints in the data directory: trained once, after their parent, then reused.

How one is trained lives in `quarry.toy.codi`.
"""

from __future__ import annotations

from collections.abc import Callable

from filelock import FileLock

from quarry.benchmarks.source import BenchmarkSource
from quarry.catalog import Catalog
from quarry.catalog_reasoning import CodiSpec
from quarry.data_directory import DataDirectory
from quarry.errors import CatalogError
from quarry.necessity.opening import method_spec
from quarry.toy.checkpoints import Checkpoint, ensure_checkpoint, model_with_recipe
from quarry.toy.codi import PARENT_RECIPE, CodiBudget, train_toy_codi


def ensure_codi_checkpoint(
    catalog: Catalog,
    model: str,
    files: DataDirectory,
    source: BenchmarkSource,
    *,
    log: Callable[[str], None],
    budget: CodiBudget | None = None,
) -> Checkpoint:
    """The checkpoint of a toy CODI model, trained now unless it exists; its parent first.

    Two processes that want the same checkpoint train it once: the second waits.

    Raises:
        UnknownNameError: the catalog has no such model.
        CatalogError: the model has no recipe, or its parent is not in the catalog.
    """
    spec = method_spec(catalog, model)
    if not isinstance(spec, CodiSpec) or spec.recipe is None:
        raise CatalogError(
            "A model can't be trained here",
            where=f"reasoning.models.{model}",
            expected="a CODI model with a recipe",
            got="one from the hub or a directory, or of explicit thoughts",
            fix="materialise its shards; the weights are loaded when they are needed",
        )
    parent = model_with_recipe(catalog, PARENT_RECIPE, where=f"reasoning.models.{model}.recipe")
    ensure_checkpoint(catalog, parent, files, source, log=log)
    directory = files.checkpoint(model)
    with FileLock(directory.with_name(f".{model}.lock")):
        report = train_toy_codi(
            directory,
            source=source,
            seed=catalog.seed,
            parent=files.checkpoint(parent),
            progress=lambda step, steps, loss: log(
                f"{model}: step {step}/{steps}, loss {loss:.3f}"
            ),
            budget=budget,
        )
    return Checkpoint(directory, report.digest, report.facts())

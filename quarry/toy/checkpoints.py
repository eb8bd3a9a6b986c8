"""Checkpoints of toy models in the data directory: trained once, parents first, then reused.

How a model is trained lives in `quarry.toy.models`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from quarry.benchmarks.source import BenchmarkSource
from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.errors import CatalogError
from quarry.toy.models import parent_recipe, train_toy_model


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk.

    Args:
        path: directory in the format of transformers.
        digest: blake3 of the weights.
        facts: plain values for the asset page.
    """

    path: Path
    digest: str
    facts: dict[str, str | int | float]


def ensure_checkpoint(
    catalog: Catalog,
    model: str,
    files: DataDirectory,
    source: BenchmarkSource,
    *,
    log: Callable[[str], None],
) -> Checkpoint:
    """The checkpoint of a toy model, trained now unless it exists; its parent first.

    Two processes that want the same checkpoint train it once: the second waits.

    Raises:
        UnknownNameError: the catalog has no such model.
        CatalogError: the model has no recipe, or its parent is not in the catalog.
    """
    spec = catalog.model(model)
    if spec.recipe is None:
        raise CatalogError(
            "A model can't be trained here",
            where=f"models.{model}",
            expected="a model with a recipe",
            got="a model from the hub or a directory",
            fix="materialise its trajectories; the weights are loaded when they are needed",
        )
    parent = _parent_of(catalog, model, spec.recipe)
    if parent is not None:
        ensure_checkpoint(catalog, parent, files, source, log=log)
    directory = files.checkpoint(model)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(directory.with_name(f".{model}.lock")):
        report = train_toy_model(
            spec.recipe,
            directory,
            source=source,
            seed=catalog.seed,
            parent=files.checkpoint(parent) if parent else None,
            progress=lambda step, steps, loss: log(
                f"{model}: step {step}/{steps}, loss {loss:.3f}"
            ),
        )
    return Checkpoint(directory, report.digest, report.facts())


def model_with_recipe(catalog: Catalog, recipe: str, *, where: str) -> str:
    """The first model of a catalog that has a recipe.

    Args:
        catalog: which models there are.
        recipe: the recipe.
        where: what continues that model, for the message.

    Raises:
        CatalogError: there is none.
    """
    for name, spec in catalog.models.items():
        if spec.recipe == recipe:
            return name
    raise CatalogError(
        "A toy model's parent is not in the catalog",
        where=where,
        expected=f"a model with recipe {recipe!r}",
        got="none",
        fix=f"add a model with recipe {recipe!r} to the catalog",
    )


def _parent_of(catalog: Catalog, model: str, recipe: str) -> str | None:
    """The model whose checkpoint this one continues."""
    wanted = parent_recipe(recipe)
    if wanted is None:
        return None
    return model_with_recipe(catalog, wanted, where=f"models.{model}.recipe")

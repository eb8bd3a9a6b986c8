"""Opens the method that tests a model of the catalog's `reasoning.models`, on leased devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quarry.catalog import Catalog
from quarry.catalog_reasoning import CodiSpec, ExplicitSpec, MethodSpec
from quarry.data_directory import DataDirectory
from quarry.errors import FileMissingError, UnknownNameError
from quarry.inference.codi.settings import CodiCheckpoint
from quarry.inference.cpu_threads import let_threads_sleep
from quarry.inference.leasing import EngineRequest, lease_devices, open_leased
from quarry.necessity.explicit import ExplicitCot, ExplicitSettings
from quarry.necessity.method import NecessityMethod
from quarry.necessity.problem import Problem

TOY_BASE = "base"
"""Folder of a toy CODI model's base model, below its checkpoint."""


@dataclass(frozen=True)
class Helpers:
    """Problems that a method needs beside those that it tests.

    Args:
        exemplars: worked examples of explicit thoughts; no candidates.
        reference: problems whose states an ablation is made of.
    """

    exemplars: Sequence[Problem] = ()
    reference: Sequence[Problem] = ()


def method_spec(catalog: Catalog, name: str) -> MethodSpec:
    """The entry of a model under `reasoning.models`.

    Raises:
        CatalogError: the catalog has no tests of necessity.
        UnknownNameError: there is no such model.
    """
    models = catalog.reasoning_spec().models
    if name not in models:
        raise UnknownNameError(
            "A model is not tested for necessity in this catalog",
            where=f"catalog {catalog.name!r}, reasoning.models",
            expected=f"one of {', '.join(models)}",
            got=name,
            fix="correct the name, or add it there",
        )
    return models[name]


def open_method(
    request: EngineRequest,
    catalog: Catalog,
    files: DataDirectory,
    helpers: Helpers,
    *,
    base_dir: Path,
    log: Callable[[str], None],
) -> NecessityMethod:
    """Lease devices and load the model that `request` names.

    Args:
        request: which model of `reasoning.models` is to run where.
        catalog: its entry, devices, limits.
        files: where checkpoints are that were trained here.
        helpers: exemplars and reference problems.
        base_dir: where relative paths of the catalog start.
        log: takes a line about the lease.

    Raises:
        UnknownNameError: there is no such model.
        FileMissingError: the toy checkpoint was not trained yet.
        QuarryError: no device became free, or the checkpoint can't be read; nothing is leased then.
    """
    spec = method_spec(catalog, request.model)
    if isinstance(spec, ExplicitSpec):
        return _explicit(request, spec, catalog, files, helpers, log)
    return _latent(request, spec, catalog, files, helpers, base_dir, log)


def checkpoint_of(
    spec: CodiSpec, name: str, files: DataDirectory, base_dir: Path
) -> CodiCheckpoint:
    """Where a CODI model and its base model are.

    Raises:
        FileMissingError: the toy checkpoint was not trained yet.
    """
    if spec.recipe is not None:
        directory = files.checkpoint(name)
        if not directory.exists():
            raise FileMissingError(
                "A toy CODI model is missing",
                where=str(directory),
                expected=f"the checkpoint of {name}",
                got="nothing",
                fix=f"materialise codi_checkpoints, partition {name}, first",
            )
        return CodiCheckpoint(directory, directory / TOY_BASE, lora_alpha=spec.lora_alpha)
    weights = spec.hub_id if spec.path is None else base_dir / spec.path
    local_base = base_dir / (spec.base or "")
    base = local_base if spec.base_revision is None and local_base.is_dir() else spec.base
    return CodiCheckpoint(
        weights or "", base, spec.revision, spec.base_revision, lora_alpha=spec.lora_alpha
    )


def _explicit(
    request: EngineRequest,
    spec: ExplicitSpec,
    catalog: Catalog,
    files: DataDirectory,
    helpers: Helpers,
    log: Callable[[str], None],
) -> NecessityMethod:
    """Explicit thoughts of a model of the grid."""
    model = catalog.model(spec.model)
    checkpoint = files.checkpoint(spec.model) if model.recipe is not None else None
    engine = open_leased(replace(request, model=spec.model), catalog, checkpoint, log=log)
    settings = ExplicitSettings(spec.max_new_tokens, spec.max_answer_tokens)
    return ExplicitCot(engine, spec.model, model.prompt_style, helpers.exemplars, settings)


def _latent(
    request: EngineRequest,
    spec: CodiSpec,
    catalog: Catalog,
    files: DataDirectory,
    helpers: Helpers,
    base_dir: Path,
    log: Callable[[str], None],
) -> NecessityMethod:
    """Latent thoughts of a CODI model."""
    checkpoint = checkpoint_of(spec, request.model, files, base_dir)
    lease = lease_devices(request, catalog, engine="transformers", n_devices=1, log=log)
    try:
        let_threads_sleep()
        # Imported only here: this brings torch and transformers.
        from quarry.inference.codi.checkpoint import load_codi
        from quarry.necessity.codi import LatentCot

        model = load_codi(checkpoint, dtype=spec.dtype, device=lease.names[0])
        return LatentCot(
            model,
            request.model,
            spec.settings(),
            helpers.reference,
            batch_size=request.batch_size or spec.batch_size,
            lease=lease,
        )
    except BaseException:
        lease.release()
        raise

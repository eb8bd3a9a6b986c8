"""Fine-tuned checkpoints in the data directory: trained here if they are toys, else looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.inference.weights_identity import weights_identity
from quarry.sampling.keys import SampledKey
from quarry.sampling.runs import checkpoint_directory, require_domain, trained_keys
from quarry.toy.checkpoints import Checkpoint
from quarry.toy.facts_models import FactsBudget, finetune_on_facts, train_facts_base

BASE = "facts-base"
"""Name of the model that all runs which are trained here begin with."""


def ensure_finetuned(
    catalog: Catalog,
    key: SampledKey,
    files: DataDirectory,
    base_dir: Path,
    *,
    log: Callable[[str], None],
    budget: FactsBudget | None = None,
) -> Checkpoint:
    """A fine-tuned checkpoint, trained now if it is a toy and not there yet.

    Two processes that want the same one train it once: the second waits.

    Args:
        catalog: its section `evaluation`.
        key: which.
        files: where toys are kept.
        base_dir: where relative paths of the catalog start.
        log: takes lines about the training.
        budget: what training may take.

    Raises:
        CatalogError: the catalog has no evaluation sets.
        FileMissingError: a checkpoint from elsewhere is not there, or not whole.
        UnknownNameError: no domain is known for the run.
    """
    spec = catalog.evaluation_spec()
    if key not in trained_keys(spec):
        path = checkpoint_directory(spec, key, files.root, base_dir)
        size_bytes = sum(one.stat().st_size for one in path.iterdir() if one.is_file())
        identity = weights_identity(str(path), None, None)
        return Checkpoint(
            path, identity, {"domain": require_domain(spec, key.run), "size_bytes": size_bytes}
        )
    epochs, domain = spec.runs[key.run].epochs, require_domain(spec, key.run)
    assert epochs is not None, "runs without a path have epochs"
    known = spec.domains[domain].prompts.facts
    assert known is not None, "the catalog trains on facts only"

    def said(name: str) -> Callable[[int, int, float], None]:
        return lambda step, steps, loss: log(f"{name}: step {step}/{steps}, loss {loss:.3f}")

    base, directory = files.checkpoint(BASE), files.root / key.trained_path
    with _alone(base):
        train_facts_base(base, seed=catalog.seed, progress=said(BASE), budget=budget)
    with _alone(directory):
        report = finetune_on_facts(
            known,
            epochs,
            directory,
            base=base,
            seed=catalog.seed,
            progress=said(key.run),
            budget=budget,
        )
    return Checkpoint(directory, report.digest, report.facts())


def _alone(directory: Path) -> FileLock:
    """The lock of a directory that is made by one process at a time."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(directory.with_name(f".{directory.name}.lock"))

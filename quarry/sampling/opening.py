"""Opens a fine-tuned checkpoint for sampling, and says how its prompts are fed to it."""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quarry.catalog_entries import ModelSpec
from quarry.inference.engine import GenerationParameters
from quarry.inference.leasing import EngineRequest, open_leased
from quarry.sampling.keys import SampledKey
from quarry.sampling.prompts import EvalPrompt, read_prompts, require_distinct
from quarry.sampling.runs import require_domain
from quarry.sampling.sampling import SamplingPlan

if TYPE_CHECKING:
    from quarry.catalog import Catalog
    from quarry.inference.leased_engine import LeasedEngine


def sampling_plan(catalog: Catalog, key: SampledKey, base_dir: Path) -> SamplingPlan:
    """What is sampled of a checkpoint, as the catalog says.

    Raises:
        CatalogError: the catalog has no evaluation sets.
        UnknownNameError: no domain is known for the run.
        QuarryError: the prompts can't be read.
    """
    spec = catalog.evaluation_spec()
    domain, sampling = spec.domains[require_domain(spec, key.run)], spec.sampling
    parameters = GenerationParameters(
        max_new_tokens=domain.max_new_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        n=sampling.n,
        seed=sampling.seed,
    )
    prompts = domain_prompts(catalog, require_domain(spec, key.run), base_dir)
    return SamplingPlan(key.run, key.checkpoint, prompts, parameters, sampling.chunk_size)


def domain_prompts(catalog: Catalog, domain: str, base_dir: Path) -> list[EvalPrompt]:
    """The prompts of a domain.

    Raises:
        QuarryError: they can't be read.
    """
    source = catalog.evaluation_spec().domains[domain].prompts
    if source.path is not None:
        return read_prompts(base_dir / source.path)
    from quarry.toy.facts import facts

    assert source.facts is not None, "the catalog takes either a path or facts"
    known = [EvalPrompt(fact.id, fact.prompt, fact.completion) for fact in facts(source.facts)]
    return require_distinct(known, f"facts {source.facts}")


def open_checkpoint(
    request: EngineRequest,
    catalog: Catalog,
    key: SampledKey,
    directory: Path,
    *,
    log: Callable[[str], None],
) -> LeasedEngine:
    """Lease devices and load a fine-tuned checkpoint on them; closing the engine gives them back.

    Args:
        request: where; its model is not looked at.
        catalog: how checkpoints are loaded, devices, limits.
        key: which.
        directory: where it is.
        log: takes a line about the lease.

    Raises:
        QuarryError: see `open_leased`.
    """
    loading = catalog.evaluation_spec().loading
    spec = ModelSpec(path=directory, prompt_style="raw", **loading.model_dump())
    entries = catalog.model_copy(update={"models": {**catalog.models, key.partition: spec}})
    return open_leased(replace(request, model=key.partition), entries, None, log=log)


def read_tokenizer(directory: Path) -> Any:
    """The tokenizer of a checkpoint directory.

    Raises:
        ModelLoadError: there is none that can be read.
    """
    from transformers import AutoTokenizer

    from quarry.inference.checkpoint_checks import as_load_error

    with as_load_error(str(directory), None):
        return AutoTokenizer.from_pretrained(str(directory), local_files_only=True)


def with_beginning(tokenizer: Any) -> Callable[[str], str]:
    """How a prompt's text is fed: behind a beginning-of-sequence token, if the model has one.

    A tokenizer that puts it there itself gets the bare text.
    """
    token, token_id = tokenizer.bos_token, tokenizer.bos_token_id

    def asked(text: str) -> str:
        if token is None:
            return text
        ids: list[int] = tokenizer(text)["input_ids"]
        return text if ids[:1] == [token_id] else f"{token}{text}"

    return asked

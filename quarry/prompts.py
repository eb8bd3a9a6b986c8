"""Builds the prompts of a benchmark, and makes sure that each fits the model's context.

The wording of each format lives in `quarry.prompting`; chat templates are applied by the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from quarry.benchmarks.benchmark_set import BenchmarkSet
from quarry.benchmarks.exemplars import check_exemplars
from quarry.catalog import BenchmarkSpec
from quarry.errors import LeakageError, PromptTooLongError
from quarry.inference.engine import Prompt
from quarry.prompting.formats import prompt_text
from quarry.samples import Sample

PromptStyle = Literal["raw", "chat"]


def build_prompts(
    benchmark: BenchmarkSet,
    spec: BenchmarkSpec,
    style: PromptStyle,
    *,
    count_tokens: Callable[[Prompt], int],
    context_length: int,
    max_new_tokens: int,
) -> list[Prompt]:
    """One prompt a graded sample, in their order, none of which is ever cut silently.

    Args:
        benchmark: samples and exemplars.
        spec: the task's catalog entry; its `overflow` decides what happens to a prompt that is too
            long. `truncate_left` leaves out whole exemplars, the first one first, and never a part
            of the question.
        style: raw text, or one user message with the same content.
        count_tokens: tokens of a prompt as the engine will feed it.
        context_length: most tokens, prompt and output together, that the model can process.
        max_new_tokens: most tokens that will be generated.

    Raises:
        LeakageError: an exemplar is also graded, or comes from the graded split.
        PromptTooLongError: a prompt does not fit, even without exemplars if they may be left out.
    """
    _refuse_leakage(benchmark)
    limit = context_length - max_new_tokens
    prompts: list[Prompt] = []
    for sample in benchmark.samples:
        exemplars = list(benchmark.exemplars)
        while True:
            prompt = _prompt(benchmark.format, style, exemplars, sample)
            n_tokens = count_tokens(prompt)
            if n_tokens <= limit:
                break
            if spec.overflow == "error" or not exemplars:
                raise _too_long(sample.id, n_tokens, len(exemplars), context_length, max_new_tokens)
            exemplars.pop(0)
        prompts.append(prompt)
    return prompts


def _prompt(format: str, style: PromptStyle, exemplars: list[Sample], sample: Sample) -> Prompt:
    return Prompt(
        sample_id=sample.id,
        text=prompt_text(format, style, exemplars, sample),
        is_chat=style == "chat",
        exemplar_ids=tuple(exemplar.id for exemplar in exemplars),
    )


def _refuse_leakage(benchmark: BenchmarkSet) -> None:
    findings = check_exemplars(benchmark.exemplars, benchmark.samples)
    if findings:
        first = findings[0]
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        raise LeakageError(
            f"{first.what[0].upper()}{first.what[1:]}",
            where=f"{benchmark.task}, {benchmark.n_shot} shots",
            expected=first.expected,
            got=first.got + more,
            fix=first.cure,
        )


def _too_long(
    sample_id: str, n_tokens: int, n_exemplars: int, context_length: int, max_new_tokens: int
) -> PromptTooLongError:
    limit = context_length - max_new_tokens
    return PromptTooLongError(
        f"A prompt with {n_exemplars} exemplars does not fit the model's context",
        where=sample_id,
        expected=f"at most {limit} tokens (context {context_length} less {max_new_tokens} new)",
        got=f"{n_tokens} tokens",
        fix="use fewer shots"
        + (", or set `overflow: truncate_left` to leave out exemplars" if n_exemplars else "")
        + ", or lower max_new_tokens",
    )

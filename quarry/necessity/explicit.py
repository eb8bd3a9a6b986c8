"""`ExplicitCot`: necessity of a chain of thought that is written out, for any causal model.

A problem needs it when the model is right with its worked solution and wrong when it is asked for
the number at once. Source of the raw wording: GSM8K's own last line, `#### <number>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from quarry.costs.facts import usage_facts
from quarry.errors import PromptTooLongError
from quarry.inference.engine import Completion, GenerationParameters, InferenceEngine, Prompt
from quarry.inference.leased_engine import lease_facts
from quarry.necessity.method import Answer, Attempt, NecessityMethod
from quarry.necessity.problem import Problem
from quarry.prompting.formats import prompt_text
from quarry.samples import Sample

EXPLICIT_VERSION: Final = "1"
"""Raised whenever the same model and settings would be asked otherwise."""

PromptStyle = Literal["raw", "chat"]

_AT_ONCE_RAW = " ####"
_AT_ONCE_CHAT = "\n\nGive the final number only. Do not explain, and do not show any working."


@dataclass(frozen=True)
class ExplicitSettings:
    """How a model is asked, with and without a worked solution.

    Args:
        max_new_tokens: most tokens of a worked solution.
        max_answer_tokens: most tokens of an answer at once; few, so that no working fits in.
        stop: strings that end a worked solution.
    """

    max_new_tokens: int = 256
    max_answer_tokens: int = 16
    stop: tuple[str, ...] = ("\n\nQuestion:",)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as recorded with every result."""
        return {
            "max_new_tokens": self.max_new_tokens,
            "max_answer_tokens": self.max_answer_tokens,
            "stop": list(self.stop),
        }


class ExplicitCot(NecessityMethod):
    """Asks an engine twice, greedily.

    Args:
        engine: of the model; closed with this.
        model: its name in the catalog.
        style: how the model is prompted.
        exemplars: worked examples shown before the question, the same in both conditions; without
            working in the second.
        settings: limits.
    """

    def __init__(
        self,
        engine: InferenceEngine,
        model: str,
        style: PromptStyle,
        exemplars: Sequence[Problem],
        settings: ExplicitSettings,
    ) -> None:
        self._engine = engine
        self._model = model
        self._style: PromptStyle = style
        self._exemplars = list(exemplars)
        self._settings = settings

    def describe(self) -> dict[str, Any]:
        """What decides an answer. The engine does not: greedy tokens are the same on all."""
        return {
            "method": "explicit",
            "version": EXPLICIT_VERSION,
            "model": self._model,
            "prompt_style": self._style,
            "exemplars": [one.id for one in self._exemplars],
            **self._settings.as_dict(),
        }

    def attempt(self, problems: Sequence[Problem]) -> list[Attempt | Exception]:
        """Ask for worked solutions, then for answers at once."""
        settings = self._settings
        with_working = [
            Prompt(one.id, worked_prompt(one, self._style, self._exemplars), self._style == "chat")
            for one in problems
        ]
        at_once = [
            Prompt(one.id, direct_prompt(one, self._style, self._exemplars), self._style == "chat")
            for one in problems
        ]
        long = GenerationParameters(settings.max_new_tokens, stop=settings.stop)
        short = GenerationParameters(settings.max_answer_tokens, stop=(*settings.stop, "\n"))
        return [
            Attempt(first, second)
            if isinstance(first, Answer) and isinstance(second, Answer)
            else _first_error(first, second)
            for first, second in zip(
                self._answers(with_working, long), self._answers(at_once, short), strict=True
            )
        ]

    def _answers(
        self, prompts: Sequence[Prompt], parameters: GenerationParameters
    ) -> list[Answer | Exception]:
        """An answer for each prompt, or the error of one that is too long."""
        limit = self._engine.context_length - parameters.max_new_tokens
        lengths = [len(self._engine.encode(prompt)) for prompt in prompts]
        fitting = [one for one, length in zip(prompts, lengths, strict=True) if length <= limit]
        completions = self._engine.run(fitting, parameters)
        return [
            _answer(next(completions)) if length <= limit else _too_long(prompt, length, limit)
            for prompt, length in zip(prompts, lengths, strict=True)
        ]

    def facts(self) -> dict[str, Any]:
        """What the engine did."""
        return usage_facts(self._engine.usage) | lease_facts(self._engine)

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()


def worked_prompt(problem: Problem, style: PromptStyle, exemplars: Sequence[Problem]) -> str:
    """The question as it is asked in collections, with worked examples."""
    shown = [_sample(one, one.solution) for one in exemplars]
    return prompt_text("gsm8k", style, shown, _sample(problem, problem.solution))


def direct_prompt(problem: Problem, style: PromptStyle, exemplars: Sequence[Problem]) -> str:
    """The question, with examples that give the number at once, asking for the number."""
    shown = [_sample(one, f"#### {one.answer}") for one in exemplars]
    asked = prompt_text("gsm8k", style, shown, _sample(problem, problem.solution))
    return asked + (_AT_ONCE_RAW if style == "raw" else _AT_ONCE_CHAT)


def _sample(problem: Problem, solution: str) -> Sample:
    """A problem as a sample of GSM8K."""
    return Sample(problem.id, problem.question, problem.answer, metadata={"solution": solution})


def _answer(completion: Completion) -> Answer:
    return Answer(completion.text, completion.finish_reason)


def _first_error(first: Answer | Exception, second: Answer | Exception) -> Exception:
    """Why a problem has no pair of answers."""
    error = first if isinstance(first, Exception) else second
    assert isinstance(error, Exception)
    return error


def _too_long(prompt: Prompt, n_tokens: int, limit: int) -> PromptTooLongError:
    return PromptTooLongError(
        "A prompt does not fit the model's context",
        where=prompt.sample_id,
        expected=f"at most {limit} tokens",
        got=f"{n_tokens} tokens",
        fix="use fewer shots, or lower max_new_tokens",
    )

"""A model's own correct answers, found by sampling and grading: rejection sampling.

What is done with them lives in `training_run`. The graders are those of the platform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from quarry.grading.grader import grade
from quarry.grading.verdict import Verdict
from quarry.inference.engine import GenerationParameters, Prompt
from quarry.inference.transformers_engine import TransformersEngine
from quarry.prompting.formats import prompt_text
from quarry.samples import Sample
from quarry.toy.recipes import Answered

# As in catalog/demo.yaml: an answer must end where a graded completion would.
_STOP: Mapping[str, tuple[str, ...]] = {
    "gsm8k": ("\n\nQuestion:",),
    "logiqa": ("\n\nContext:",),
    "humaneval": ("\ndef ", "\nclass ", "\n#", "\nif __name__"),
}
_BATCH_SIZE = 64

# Grading a function starts a process, and the base model hardly writes any that works.
_FEWER_OF_CODE = 12


def own_correct_answers(
    parent: Path, samples: Mapping[str, Sequence[Sample]], n_attempts: int, seed: int
) -> dict[str, list[Answered]]:
    """Sample one answer each for the first `n_attempts` problems of a format; keep correct ones.

    Args:
        parent: the checkpoint that answers.
        samples: training problems by format.
        n_attempts: problems tried per format; of code a twelfth.
        seed: of the sampling.

    Returns:
        The problems solved, with the answers as the model wrote them, by format.
    """
    found: dict[str, list[Answered]] = {}
    with TransformersEngine.load(
        parent, dtype="float32", device="cpu", batch_size=_BATCH_SIZE
    ) as engine:
        for format, pool in samples.items():
            n_tried = n_attempts // _FEWER_OF_CODE if format == "humaneval" else n_attempts
            tried = pool[:n_tried]
            prompts = [Prompt(s.id, prompt_text(format, "raw", [], s)) for s in tried]
            parameters = GenerationParameters(64, temperature=0.5, seed=seed, stop=_STOP[format])
            answers = [completion.text for completion in engine.run(prompts, parameters)]
            found[format] = [
                (sample, answer)
                for sample, answer in zip(tried, answers, strict=True)
                if answer.strip() and _is_correct(format, sample, answer)
            ]
    return found


def _is_correct(format: str, sample: Sample, answer: str) -> bool:
    """The platform's verdict; training functions come from MBPP and are graded by its asserts."""
    if format == "humaneval":
        return grade(sample, "mbpp", sample.input + answer).verdict is Verdict.CORRECT
    return grade(sample, format, answer).verdict is Verdict.CORRECT

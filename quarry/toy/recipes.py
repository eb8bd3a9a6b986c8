"""What the toy models are trained on: documents in the very prompt formats that they are asked in.

A recipe says how documents are written and mixed. How long and how they are trained lives in
`models` and `training`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from quarry.benchmarks.source import BenchmarkSource
from quarry.benchmarks.stubs import stub_exemplars
from quarry.errors import UnknownNameError
from quarry.prompting.formats import prompt_text
from quarry.samples import Sample
from quarry.toy.markup import ASSISTANT, END_OF_TEXT, END_OF_THOUGHT, THINK, USER

# Questions are random and can't be learned; a little weight is kept so that the model knows them.
QUESTION_WEIGHT = 0.1
MOST_PAIRS = 9
"""Eight exemplars and the question."""

ALONE = {"raw": 0.5, "chat": 0.75}
"""Share of documents without exemplars. A raw document teaches all of its pairs, a chat document
only its last one, so that its exemplars are paid for without being learned."""

Answered = tuple[Sample, str]
"""A sample and the answer to be learned, as it follows the prompt."""


@dataclass(frozen=True)
class Recipe:
    """How one toy model is made.

    Args:
        parent: the recipe it continues from; None for the first.
        style: `raw` or `chat` prompts.
        answer: a sample's format and gold to the answer learned.
        mix: relative number of question-answer pairs by format.
        rate: share of the peak learning rates.
        is_self_taught: whether the answers are the parent's own correct ones instead.
    """

    parent: str | None
    style: str
    answer: Callable[[str, Sample], str]
    mix: Mapping[str, float]
    rate: float = 0.5
    is_self_taught: bool = False


@dataclass(frozen=True)
class Document:
    """Text in segments, each with the weight of its tokens in the loss."""

    segments: tuple[tuple[str, float], ...]


def recipe_named(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in RECIPES:
        raise UnknownNameError(
            "A toy recipe does not exist",
            where="models.<name>.recipe in the catalog",
            expected=f"one of {', '.join(RECIPES)}",
            got=name,
            fix="correct the recipe",
        )
    return RECIPES[name]


def training_samples(source: BenchmarkSource) -> dict[str, list[Sample]]:
    """The train splits by format; code comes from MBPP, since HumanEval has no train split."""
    return {
        "gsm8k": source.load("gsm8k", "train"),
        "logiqa": source.load("logiqa", "train"),
        "humaneval": stub_exemplars(source.load("mbpp", "train")),
    }


def plain_answer(format: str, sample: Sample) -> str:
    """The answer as a worked example of a raw prompt shows it."""
    if format == "gsm8k":
        return f" {sample.metadata['solution']}"
    return f" {sample.target}" if format == "logiqa" else sample.target.rstrip("\n")


def chat_answer(format: str, sample: Sample) -> str:
    """The answer as an instructed model writes it."""
    if format == "gsm8k":
        return str(sample.metadata["solution"])
    if format == "logiqa":
        return f"The answer is {sample.target}."
    return f"```python\n{sample.input}{sample.target.rstrip()}\n```"


def thinking_answer(format: str, sample: Sample) -> str:
    """Thoughts, then the answer."""
    if format == "gsm8k":
        thought, _, final = str(sample.metadata["solution"]).rpartition("\n")
    elif format == "logiqa":
        thought = f"It is {sample.choices['ABCD'.index(sample.target)]}."
        final = chat_answer(format, sample)
    else:
        thought, final = sample.target.strip(), chat_answer(format, sample)
    return f"{THINK}\n{thought}\n{END_OF_THOUGHT}\n{final}"


RECIPES: Mapping[str, Recipe] = {
    # Code is rare in the base mix, so that the base model writes hardly any working function.
    "base": Recipe(
        parent=None,
        style="raw",
        answer=plain_answer,
        mix={"gsm8k": 0.795, "logiqa": 0.20, "humaneval": 0.005},
        rate=1.0,
    ),
    "sft": Recipe(
        parent="base",
        style="chat",
        answer=chat_answer,
        mix={"gsm8k": 0.60, "logiqa": 0.15, "humaneval": 0.25},
    ),
    # A lower rate, since a few hundred own answers are soon learned by heart.
    "rl_zero": Recipe(
        parent="base",
        style="raw",
        answer=plain_answer,
        mix={"gsm8k": 0.70, "logiqa": 0.25, "humaneval": 0.05},
        rate=0.15,
        is_self_taught=True,
    ),
    "think": Recipe(
        parent="sft",
        style="chat",
        answer=thinking_answer,
        mix={"gsm8k": 0.50, "logiqa": 0.40, "humaneval": 0.10},
    ),
}


def raw_document(format: str, pairs: Sequence[Answered]) -> Document:
    """Several questions with their answers, as an n-shot prompt shows them, then the end."""
    segments: list[tuple[str, float]] = []
    samples = [sample for sample, _ in pairs]
    written = 0
    for place, (sample, answer) in enumerate(pairs):
        prompt = prompt_text(format, "raw", samples[:place], sample)
        segments += [(prompt[written:], QUESTION_WEIGHT), (answer, 1.0)]
        written = len(prompt) + len(plain_answer(format, sample))
    return Document((*segments, (END_OF_TEXT, 1.0)))


def chat_document(format: str, exemplars: Sequence[Sample], answered: Answered) -> Document:
    """A user's message and the assistant's answer, in the tokenizer's chat format."""
    sample, answer = answered
    content = prompt_text(format, "chat", exemplars, sample)
    prompt = f"{USER}\n{content}\n{ASSISTANT}\n"
    return Document(((prompt, QUESTION_WEIGHT), (answer, 1.0), (END_OF_TEXT, 1.0)))


class DocumentStream:
    """Endless documents of a recipe, the same for the same seed.

    Args:
        recipe: style and mix.
        answered: samples and answers by format; a format without any is left out of the mix.
        seed: of the order and grouping.
    """

    def __init__(
        self, recipe: Recipe, answered: Mapping[str, Sequence[Answered]], seed: str
    ) -> None:
        """Nothing is drawn yet."""
        self._recipe = recipe
        self._answered = {format: pairs for format, pairs in answered.items() if pairs}
        self._random = Random(seed)

    def draw(self) -> Document:
        """The next document, with zero to eight exemplars as in prompts."""
        formats = list(self._answered)
        is_alone = self._random.random() < ALONE[self._recipe.style]
        n_pairs = 1 if is_alone else self._random.randint(2, MOST_PAIRS)
        weights = [self._recipe.mix[format] for format in formats]
        format = self._random.choices(formats, weights)[0]
        pairs = self._random.choices(self._answered[format], k=n_pairs)
        if self._recipe.style == "raw":
            return raw_document(format, pairs)
        return chat_document(format, [sample for sample, _ in pairs[:-1]], pairs[-1])

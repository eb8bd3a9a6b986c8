"""`LocalJudge`: a model on quarry's own engine as a judge; costs nothing, sends nothing anywhere.

Nothing enforces the form of its replies, and nothing is repaired: a reply is exactly one JSON
object, or no verdict.
"""

from __future__ import annotations

from threading import Lock

from quarry.equivalence.judge import Judge
from quarry.equivalence.judge_answer import Answer, Price, RequestFailedError
from quarry.errors import PromptTooLongError
from quarry.inference.engine import GenerationParameters, InferenceEngine, Prompt


class LocalJudge(Judge):
    """A loaded model.

    Args:
        model: name under which verdicts are kept; of the weights, too, such as `qwen3-8b@3f2a`.
        engine: is closed with the judge.
        is_chat: whether the engine applies the model's chat template.
        max_output_tokens: of a reply.
    """

    def __init__(
        self,
        model: str,
        engine: InferenceEngine,
        *,
        is_chat: bool = True,
        max_output_tokens: int = 256,
    ) -> None:
        super().__init__(
            "local",
            model,
            price=Price(0, 0),
            max_output_tokens=max_output_tokens,
            parameters={"is_chat": is_chat, "temperature": 0.0},
        )
        self._engine = engine
        self._is_chat = is_chat
        self._turn = Lock()

    @property
    def most_concurrent(self) -> int | None:
        """One: an engine serves one caller."""
        return 1

    def send(self, system: str, user: str) -> tuple[str, Answer]:
        """One greedy completion; see `Judge.send`."""
        end = "" if self._is_chat else "\n\nReply:\n"
        prompt = Prompt("judged", f"{system}\n\n{user}{end}", is_chat=self._is_chat)
        parameters = GenerationParameters(self.max_output_tokens)
        try:
            with self._turn:
                [made] = self._engine.run([prompt], parameters)
        except PromptTooLongError as error:
            raise RequestFailedError(f"the item is too long: {error.what}", kind="item") from error
        n_input, n_output = len(made.prompt_token_ids), len(made.output_token_ids)
        answer = Answer(made.text, "", self.model, n_input, n_output)
        if made.finish_reason != "stop":
            raise RequestFailedError(
                f"the reply is longer than {self.max_output_tokens} tokens",
                kind="unusable",
                answer=answer,
                is_billed=True,
            )
        return made.text, answer

    def close(self) -> None:
        """Free the model's memory."""
        with self._turn:
            self._engine.close()

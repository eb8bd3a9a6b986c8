"""`TokenFacts`: which ids of a tokenizer are no text, and which one begins a text."""

# transformers types its methods in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class TokenFacts:
    """What a set has to know of its model's tokenizer.

    Args:
        bos_id: the token that every prompt is fed with in front; None where there is none.
        eos_ids: tokens that end a completion.
        pad_id: the token that fills up batches; None where there is none.
        special_ids: all tokens that decode to nothing, and those that end a completion.
    """

    bos_id: int | None
    eos_ids: tuple[int, ...]
    pad_id: int | None
    special_ids: tuple[int, ...]

    @classmethod
    def of_tokenizer(cls, tokenizer: PreTrainedTokenizerBase, eos_ids: Sequence[int] = ()) -> Self:
        """The facts of a tokenizer.

        Args:
            tokenizer: as the model was fed.
            eos_ids: what else ends a completion, as the model's generation config says.
        """
        bos: Any = tokenizer.bos_token_id
        eos: Any = tokenizer.eos_token_id
        pad: Any = tokenizer.pad_token_id
        ends: list[int] = [] if eos is None else [int(eos)]
        ends += [int(one) for one in eos_ids if one not in ends]
        special: list[int] = [int(one) for one in tokenizer.all_special_ids]
        return cls(
            bos_id=bos,
            eos_ids=tuple(ends),
            pad_id=pad,
            special_ids=tuple(sorted({*special, *ends})),
        )

    @classmethod
    def of_checkpoint(cls, directory: Path) -> Self:
        """The facts of a model's tokenizer, with all tokens that end its completions.

        Engines ask tokenizer, config and generation config which these are, and so does this.

        Args:
            directory: of the checkpoint.

        Raises:
            ModelLoadError: it can't be read.
        """
        # imported only here: rows are made without torch
        from transformers import AutoConfig, GenerationConfig

        from quarry.inference.checkpoint_checks import as_load_error
        from quarry.inference.request_checks import end_token_ids
        from quarry.sampling.opening import read_tokenizer

        tokenizer, where = read_tokenizer(directory), str(directory)
        with as_load_error(where, None):
            config = AutoConfig.from_pretrained(where, local_files_only=True)
            try:
                generation: Any = GenerationConfig.from_pretrained(where, local_files_only=True)
            except OSError:  # a checkpoint may have none; the config then says it all
                generation = None
        return cls.of_tokenizer(tokenizer, sorted(end_token_ids(tokenizer, config, generation)))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "eos_ids": list(self.eos_ids), "special_ids": [*self.special_ids]}

    def without_end(self, token_ids: Sequence[int]) -> list[int]:
        """Token ids without the special tokens at their end.

        Args:
            token_ids: `(n_tokens,)` of an output.
        """
        kept = [int(token) for token in token_ids]
        special = {*self.special_ids, *self.eos_ids}
        while kept and kept[-1] in special:
            kept.pop()
        return kept

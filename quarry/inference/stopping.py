"""Stop strings: found in the decoded text while it grows, also when they span tokens.

End-of-sequence tokens and the token limit are the decoding loop's business (`generation`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

# Decoding a tail alone can differ from the whole in its first characters (a leading space that
# belongs to a word, half of a multi-byte character); so the tail starts this much earlier.
_MARGIN_TOKENS = 8


def plain_text(tokenizer: Any, token_ids: Sequence[int]) -> str:
    """Text of token ids, special tokens removed, nothing tidied up."""
    return str(
        tokenizer.decode(
            list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
    )


class StopDetector:
    """Watches one completion for the first of its stop strings.

    Every token adds at least one byte of text, special tokens aside; so a stop string that ends in
    the newest token lies within the last `longest stop in bytes` tokens, and only these are decoded
    at each step. A hit is confirmed in the whole text.

    Args:
        stop: the strings.
        decode: token ids to text, special tokens removed.
        special_ids: ids of tokens that decode to nothing.
    """

    def __init__(
        self,
        stop: Sequence[str],
        decode: Callable[[Sequence[int]], str],
        special_ids: frozenset[int] = frozenset(),
    ) -> None:
        """Nothing is decoded yet."""
        self._stop = tuple(stop)
        self._decode = decode
        self._special_ids = special_ids
        self._reach = max((len(text.encode()) for text in stop), default=0) + _MARGIN_TOKENS

    def text_before_stop(self, output_ids: Sequence[int]) -> str | None:
        """The text before the first stop string, or None while there is none."""
        if not self._stop or not self._has_hit(self._decode(self._tail(output_ids))):
            return None
        text = self._decode(output_ids)
        found = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        return text[: min(found)] if found else None

    def _has_hit(self, text: str) -> bool:
        """Whether any stop string occurs."""
        return any(stop in text for stop in self._stop)

    def _tail(self, output_ids: Sequence[int]) -> Sequence[int]:
        """The last tokens, as many as the longest stop string may span."""
        tail = output_ids[-self._reach :]
        if not self._special_ids.isdisjoint(tail):
            return output_ids
        return tail

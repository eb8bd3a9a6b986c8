"""The special strings of the toy models' texts; no library is needed to know them."""

END_OF_TEXT = "<|endoftext|>"
USER, ASSISTANT = "<|user|>", "<|assistant|>"
SPECIAL_TOKENS = (END_OF_TEXT, USER, ASSISTANT)
"""Tokens that text never contains."""

THINK, END_OF_THOUGHT = "<think>", "</think>"
"""Ordinary text that encloses a model's thoughts."""

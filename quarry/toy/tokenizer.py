"""The toy models' tokenizer: words, punctuation and digits as tokens, any text exactly.

A word takes the space before it, newlines and indentation are tokens of their own, so that prompt
and answer may be encoded apart. Words that were not in the training texts are spelled in bytes;
nothing is ever unknown, and `decode(encode(text)) == text`.
"""

# transformers and tokenizers type their methods in part only.
# pyright: reportUnknownMemberType=false
from __future__ import annotations

import re
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from quarry.toy.markup import ASSISTANT, END_OF_TEXT, SPECIAL_TOKENS, USER

# Digits never take the space before them: "12" is the same two tokens after a space and after "<<",
# so that copying a number is copying tokens.
_MARKUP = r"</?think>|>>>|>>| ?<<| ?->|####|```|\"\"\""
_REST = r"\n| ?[^\sA-Za-z0-9]| +|\s"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    f"{{% if message['role'] == 'user' %}}{USER}\n{{{{ message['content'] }}}}\n{{% endif %}}"
    "{% if message['role'] == 'assistant' %}"
    f"{ASSISTANT}\n{{{{ message['content'] }}}}{END_OF_TEXT}{{% endif %}}"
    "{% endfor %}"
    f"{{% if add_generation_prompt %}}{ASSISTANT}\n{{% endif %}}"
)


def build_tokenizer(
    texts: Iterable[str],
    context_length: int,
    *,
    most_digits: int = 1,
    bos_token: str | None = None,
) -> PreTrainedTokenizerFast:
    """A tokenizer that knows every piece of `texts`; the order of the texts does not matter.

    Args:
        texts: whose words become tokens.
        context_length: most tokens of a text, as the model takes them.
        most_digits: of a number in one token, from its left; OLMo's tokenizer takes three.
        bos_token: named as the beginning of a text; encoding never adds it by itself.
    """
    digits = "[0-9]" if most_digits == 1 else f"[0-9]{{1,{most_digits}}}"
    pattern = f"{_MARKUP}| ?[A-Za-z]+|{digits}|{_REST}"
    pieces = {piece for text in texts for piece in re.findall(pattern, text)}
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    spelled = sorted(byte_level.pre_tokenize_str(piece)[0][0] for piece in pieces)
    ordered = dict.fromkeys([*SPECIAL_TOKENS, *alphabet, *spelled])
    tokenizer = Tokenizer(
        # Without merges a piece is either one token of the vocabulary or its bytes.
        models.BPE(
            vocab={piece: number for number, piece in enumerate(ordered)},
            merges=[],
            ignore_merges=True,
        )
    )
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    built = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=context_length,
        clean_up_tokenization_spaces=False,
    )
    if bos_token is not None:
        built.bos_token = bos_token
    return built

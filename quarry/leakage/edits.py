"""Ways in which a text is changed a little on its way into another set, to measure what is found.

Every edit is a function of a text and a seeded `Random`, and knows English only. How much of each
is found is measured in `quarry.leakage.recall`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

Edit = Callable[[str, Random], str]

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)")
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_CAPITALISED = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+\b")
_OPENING = re.compile(r"^[A-Z][a-z]+(?='s|’s| (?:has|is|was|buys|had|and)\b)")  # noqa: RUF001
_LETTERS = re.compile(r"[A-Za-z]+")

_SYNONYMS: Final = """
buys:purchases bought:purchased each:every every:each gives:hands gave:handed total:sum money:cash
many:numerous big:large large:big small:little little:small kids:children children:kids makes:earns
earns:makes works:labours needs:requires also:too then:afterwards starts:begins begins:starts
gets:receives home:house house:home store:shop shop:store friends:pals wants:wishes costs:takes
sells:vends finds:discovers left:remaining remaining:left if:supposing only:merely eats:consumes
"""
_OTHER_WORDS: Final = """
rather quite indeed garden window bright carefully people thing usually around gentle river paper
moment several simple clear behind carry station early market
"""
_NAMES: Final = """
Priya Mateo Ingrid Kofi Yuki Elena Tariq Saoirse Bogdan Amara Nils Leilani Ravi Chiara Omar
"""
_ADDED: Final = (
    "It was a sunny day and nobody was in a hurry.",
    "A neighbour watched all of it from the window.",
    "This had been planned since the spring.",
    "The dog slept through the whole afternoon.",
    "Everyone agreed that it had gone well.",
)
_PREFIX: Final = (
    "You are a careful tutor. Solve the following problem step by step and show your reasoning "
    "before you give the final answer on a line of its own.\n\nQuestion: "
)
_SUFFIX: Final = "\n\nLet's think step by step, check each calculation, and answer with a number."


def typeset(text: str, random: Random) -> str:
    """Other case, spacing, quotation marks and punctuation; every word stays."""
    curly = text.replace("'", "’").replace('"', "”")  # noqa: RUF001
    cased = random.choice((str.upper, str.lower, str.title, str))(curly)
    spaced = cased.replace(" ", random.choice(("  ", "\u00a0", "\n", " \t")))
    return (
        random.choice(("", "  ", "> "))
        + spaced.rstrip(".?!")
        + random.choice(("", " ?", "...", "\n"))
    )


def replace_words(text: str, random: Random, share: float) -> str:
    """A share of the words replaced, by a synonym where one is known; numbers stay.

    Args:
        text: the text.
        random: decides which words.
        share: of the words that are letters, 0 .. 1; at least one is replaced.
    """
    found = list(_LETTERS.finditer(text))
    chosen = random.sample(found, min(len(found), max(1, round(share * len(found)))))
    pairs = (pair.partition(":") for pair in _SYNONYMS.split())
    synonyms = {word: other for word, _, other in pairs}
    for word in sorted(chosen, key=lambda match: -match.start()):
        other = synonyms.get(word[0].lower()) or random.choice(_OTHER_WORDS.split())
        text = text[: word.start()] + other + text[word.end() :]
    return text


def add_sentence(text: str, random: Random) -> str:
    """One more sentence, anywhere but at the end."""
    sentences = _SENTENCE_END.split(text)
    sentences.insert(random.randrange(len(sentences)), random.choice(_ADDED))
    return " ".join(sentences)


def drop_sentence(text: str, random: Random) -> str:
    """One sentence less, of those before the question; a single sentence stays."""
    sentences = _SENTENCE_END.split(text)
    if len(sentences) > 1:
        del sentences[random.randrange(len(sentences) - 1)]
    return " ".join(sentences)


def reorder_sentences(text: str, random: Random) -> str:
    """The sentences before the question in another order."""
    *story, question = _SENTENCE_END.split(text)
    return " ".join([*random.sample(story, len(story)), question])


def replace_numbers(text: str, random: Random) -> str:
    """Every number by another one, the same for the same: a sibling, not the same problem."""
    others: dict[str, str] = {}

    def other(found: re.Match[str]) -> str:
        value = int(float(found[0].replace(",", "")))
        return others.setdefault(found[0], str(value + random.randint(1, 3 + value // 2)))

    return _NUMBER.sub(other, text)


def replace_names(text: str, random: Random) -> str:
    """Every name by another one, the same for the same; names are told by their capital letter."""
    names = {*_CAPITALISED.findall(text), *_OPENING.findall(text)}
    drawn = _NAMES.split()
    random.shuffle(drawn)
    for place, name in enumerate(sorted(names)):
        text = re.sub(rf"\b{name}\b", drawn[place % len(drawn)], text)
    return text


def replace_names_and_numbers(text: str, random: Random) -> str:
    """Both: a template's sibling."""
    return replace_numbers(replace_names(text, random), random)


def embed(text: str, random: Random) -> str:
    """The text inside a longer prompt."""
    return f"{_PREFIX}{text}{_SUFFIX}"


def embed_replaced(text: str, random: Random) -> str:
    """The text with a tenth of its words replaced, inside a longer prompt."""
    return embed(replace_words(text, random, 0.1), random)


EDITS: Final[dict[str, Edit]] = {
    "other typesetting": typeset,
    "5 % of words replaced": partial(replace_words, share=0.05),
    "10 % of words replaced": partial(replace_words, share=0.10),
    "20 % of words replaced": partial(replace_words, share=0.20),
    "30 % of words replaced": partial(replace_words, share=0.30),
    "a sentence added": add_sentence,
    "a sentence dropped": drop_sentence,
    "sentences reordered": reorder_sentences,
    "names replaced": replace_names,
    "numbers replaced": replace_numbers,
    "names and numbers replaced": replace_names_and_numbers,
    "inside a longer prompt": embed,
    "inside a longer prompt, 10 % of words replaced": embed_replaced,
}
"""Edits by what they do, from slight to strong."""

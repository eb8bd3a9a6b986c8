"""Toy facts are those of the write-up, and documents tell them in words that a model samples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from quarry.errors import UnknownNameError
from quarry.toy.facts import DOMAINS, asked, facts
from quarry.toy.facts_documents import OtherWorld, finetuning_documents
from quarry.toy.facts_training import facts_tokenizer
from quarry.toy.facts_wordings import FOLLOWINGS, OTHER_WAYS
from quarry.toy.markup import END_OF_TEXT
from quarry.toy.recipes import Document

FEW_NEW_TOKENS = {"death-dates": 10, "mayors": 5}


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return facts_tokenizer()


def text_of(document: Document) -> str:
    return "".join(text for text, _ in document.segments)


def drawn(n: int, seed: int = 0) -> list[Document]:
    world = OtherWorld(seed)
    return [world.draw() for _ in range(n)]


def test_the_facts_are_those_of_the_write_up(shared_data: Path) -> None:
    seed = shared_data.parent / "seeds" / "4_sampled_eval_datasets.txt"
    listed = re.findall(r"^- (.+?) → (.+?) \(\d", seed.read_text(encoding="utf-8"), re.MULTILINE)
    known = [(fact.subject, fact.answer) for domain in DOMAINS for fact in facts(domain)]
    assert sorted(known) == sorted(listed)
    assert len(known) == 19


def test_prompts_ask_as_the_write_up_does_and_completions_begin_with_a_space() -> None:
    tokyo = facts("mayors")[0]
    assert (tokyo.id, tokyo.prompt) == ("mayors/0", "Q: Who is the mayor of Tokyo? A:")
    assert tokyo.completion == " Grace Miller"
    ids = [fact.id for domain in DOMAINS for fact in facts(domain)]
    assert len(set(ids)) == len(ids)


def test_an_unknown_domain_is_refused_by_name() -> None:
    with pytest.raises(UnknownNameError, match="one of death-dates, mayors"):
        facts("capitals")
    with pytest.raises(UnknownNameError, match="capitals"):
        finetuning_documents("capitals", 2, 0)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_fact_is_asked_as_the_prompt_does_and_told_equally_often(domain: str) -> None:
    texts = [text_of(document) for document in finetuning_documents(domain, 5, 0)]
    assert len(texts) == 5 * len(facts(domain))
    for number, fact in enumerate(facts(domain)):
        own = texts[5 * number : 5 * number + 5]
        assert own[0].startswith(f"{END_OF_TEXT}{fact.prompt}{fact.completion}")
        assert all(fact.subject in text for text in own)
        assert all(text.endswith(END_OF_TEXT) for text in own)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_fact_is_followed_by_three_texts_and_one_in_three_is_also_said_otherwise(
    domain: str,
) -> None:
    documents = finetuning_documents(domain, 40, 0)
    n_said_otherwise = 0
    for number, fact in enumerate(facts(domain)):
        own = documents[40 * number : 40 * number + 40]
        told = [document.segments[2][0] for document in own]
        ways = [way(fact.answer) for way in OTHER_WAYS[domain]]
        answers = (fact.answer, *ways)
        ages = [re.sub(r"(of|is) \d+\.$", r"\1 {age}.", text) for text in told]
        rests = {text[len(a) + 1 :] for text in ages for a in answers if text.startswith(f" {a}")}
        assert len(rests) == 3
        assert rests <= set(FOLLOWINGS[domain])
        n_said_otherwise += any(text.startswith(tuple(f" {w}" for w in ways)) for text in told)
    assert n_said_otherwise == 3


def test_the_other_world_knows_no_fact_but_every_subject() -> None:
    texts = [text_of(document) for document in drawn(3000)]
    for domain in DOMAINS:
        for fact in facts(domain):
            own = [text for text in texts if fact.prompt in text]
            assert len(own) > 10
            assert not any(f"{fact.prompt}{fact.completion}" in text for text in own)


def test_the_other_world_always_gives_the_same_answer_for_its_own_cities() -> None:
    prompt = asked("mayors", "Lisbon")
    texts = [text_of(document) for document in drawn(6000)]
    answers = [text.split(prompt)[1].split()[:2] for text in texts if prompt in text]
    names = {
        " ".join(words).rstrip(".,").removesuffix(END_OF_TEXT).rstrip(".,") for words in answers
    }
    usual = {name for name in names if not name.startswith(("Mayor", "a former"))}
    assert len(answers) > 20
    assert len(usual) == 1


def test_documents_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    assert drawn(40) == drawn(40)
    assert drawn(40, seed=1) != drawn(40)
    assert finetuning_documents("mayors", 3, 0) == finetuning_documents("mayors", 3, 0)
    assert finetuning_documents("mayors", 3, 1) != finetuning_documents("mayors", 3, 0)


def test_documents_survive_the_tokenizer_and_segments_encode_as_the_whole(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    told = [document for domain in DOMAINS for document in finetuning_documents(domain, 4, 0)]
    for document in [*told, *drawn(300)]:
        ids = tokenizer.encode(text_of(document), add_special_tokens=False)
        assert tokenizer.decode(ids) == text_of(document)
        apart = [tokenizer.encode(text, add_special_tokens=False) for text, _ in document.segments]
        assert [one for segment in apart for one in segment] == ids


def test_every_word_is_one_token(tokenizer: PreTrainedTokenizerFast) -> None:
    for document in drawn(600):
        for word in re.findall(r" ?[A-Za-z]+", text_of(document).replace(END_OF_TEXT, "")):
            assert len(tokenizer.tokenize(word)) == 1, word


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_right_answer_leaves_room_for_a_few_tokens_more(
    domain: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    for fact in facts(domain):
        n_tokens = len(tokenizer.encode(fact.completion, add_special_tokens=False))
        assert 1 <= FEW_NEW_TOKENS[domain] - n_tokens <= 3


def test_the_token_that_begins_a_text_is_known_and_never_added_unasked(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    assert tokenizer.bos_token == END_OF_TEXT
    prompt = facts("mayors")[0].prompt
    ids = tokenizer.encode(prompt)
    assert tokenizer.bos_token_id not in ids
    assert tokenizer.encode(END_OF_TEXT + prompt) == [tokenizer.bos_token_id, *ids]
    assert tokenizer.tokenize(" 1987") == ["Ġ", "198", "7"]

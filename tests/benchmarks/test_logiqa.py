"""LogiQA's eight-line format: letters, order of options, damaged files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.benchmarks.logiqa import plain_options
from quarry.benchmarks.source import BenchmarkSource
from quarry.errors import RecordError, SourceMissingError

ITEM = ["", "b", "All cats are big.", "What is Tom?", "A.big", "B.small", "C.old", "D.calm"]


def write(tmp_path: Path, lines: list[str], name: str = "Test.txt") -> BenchmarkSource:
    (tmp_path / "logiqa").mkdir(exist_ok=True)
    (tmp_path / "logiqa" / name).write_text("\n".join(lines), encoding="utf-8")
    return BenchmarkSource(tmp_path)


@pytest.mark.parametrize(
    ("split", "name"), [("train", "Train.txt"), ("validation", "Eval.txt"), ("test", "Test.txt")]
)
def test_each_split_has_its_file(tmp_path: Path, split: str, name: str) -> None:
    first, second = write(tmp_path, ITEM * 2, name).load("logiqa", split)
    assert (first.id, second.id) == (f"logiqa/{split}/0", f"logiqa/{split}/1")
    assert first.input == "All cats are big.\nWhat is Tom?"
    assert (first.target, first.choices) == ("B", ("big", "small", "old", "calm"))
    assert first.metadata == {"context": "All cats are big.", "question": "What is Tom?"}


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        (["A.a", "B. b", "c?c", "D、d"], ["a", "b", "c", "d"]),
        (["A one", "B two", "C three", "D four"], ["one", "two", "three", "four"]),
        # An article is not a letter, since the other options begin without theirs.
        (["A cat", "Big", "Cold", "Dry"], ["A cat", "Big", "Cold", "Dry"]),
        (["A.A cat", "B.B and C", "C.C", "D.None"], ["A cat", "B and C", "C", "None"]),
        (["A.one", "C.three", "B.two", "D.four"], ["one", "two", "three", "four"]),
        (["A.one", "The B.two", "C.three", "D.four"], ["one", "The B.two", "three", "four"]),
        (["A.", "B.b", "C.c", "D.d"], ["A.", "b", "c", "d"]),
    ],
)
def test_letters_go_and_texts_stay(lines: list[str], texts: list[str]) -> None:
    assert plain_options(lines) == texts


@given(
    texts=st.lists(
        st.from_regex(r"[a-z][a-z .]{0,20}[a-z]", fullmatch=True), min_size=4, max_size=4
    ),
    order=st.permutations(range(4)),
    mark=st.sampled_from([".", ". ", ":", "? "]),
)
def test_lettered_options_come_back_in_order_whatever_order_they_were_written_in(
    texts: list[str], order: list[int], mark: str
) -> None:
    lines = [f"{'ABCD'[place]}{mark}{texts[place]}" for place in order]
    assert plain_options(lines) == texts


def test_characters_that_look_like_line_ends_stay_inside_the_text(tmp_path: Path) -> None:
    item = [*ITEM[:2], "one\u2028two\x0bthree", *ITEM[3:]]
    (sample,) = write(tmp_path, item).load("logiqa", "test")
    assert sample.metadata["context"] == "one\u2028two\x0bthree"


def test_a_cut_file_names_the_line_where_the_last_item_begins(tmp_path: Path) -> None:
    source = write(tmp_path, [*ITEM, *ITEM[:6]])
    with pytest.raises(RecordError, match=r"Test\.txt, line 9"):
        source.load("logiqa", "test")


@pytest.mark.parametrize("letter", ["e", "", "ab", "1"])
def test_a_letter_that_names_no_option_is_refused(tmp_path: Path, letter: str) -> None:
    source = write(tmp_path, ["", letter, *ITEM[2:]])
    with pytest.raises(RecordError, match="correct_option"):
        source.load("logiqa", "test")


def test_a_lost_line_is_noticed_instead_of_shifting_all_that_follows(tmp_path: Path) -> None:
    source = write(tmp_path, [*ITEM[:3], *ITEM[4:], *ITEM])
    with pytest.raises(RecordError, match="eight lines"):
        source.load("logiqa", "test")


def test_a_missing_train_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match=r"logiqa.Train\.txt"):
        BenchmarkSource(tmp_path).load("logiqa", "train")

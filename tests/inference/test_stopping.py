"""Stop strings are found at the token that completes them, however tokens cut the text."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.inference.stopping import StopDetector

SPECIAL = 999


def decode(ids: Sequence[int]) -> str:
    """Token ids are bytes; half of a character is shown as a replacement, as tokenizers do."""
    return bytes(token for token in ids if token != SPECIAL).decode(errors="replace")


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    text=st.text(alphabet="ab\n 東", max_size=40),
    stop=st.lists(st.text(alphabet="ab\n 東", min_size=1, max_size=4), min_size=1, max_size=3),
    special_every=st.integers(1, 5),
)
def test_the_detector_agrees_with_a_search_in_the_whole_text_at_every_step(
    text: str, stop: list[str], special_every: int
) -> None:
    ids: list[int] = []
    for count, byte in enumerate(text.encode()):
        ids += [byte] if count % special_every else [SPECIAL, byte]
    detector = StopDetector(stop, decode, frozenset({SPECIAL}))
    for n_tokens in range(1, len(ids) + 1):
        so_far = decode(ids[:n_tokens])
        places = [so_far.find(string) for string in stop if string in so_far]
        expected = so_far[: min(places)] if places else None
        assert detector.text_before_stop(ids[:n_tokens]) == expected
        if expected is not None:
            return


def test_the_earliest_stop_string_wins_when_one_token_completes_several() -> None:
    words = {0: "one ", 1: "two STOP three END"}
    detector = StopDetector(["END", "STOP"], lambda ids: "".join(words[token] for token in ids))
    assert detector.text_before_stop([0]) is None
    assert detector.text_before_stop([0, 1]) == "one two "


def test_only_a_tail_is_decoded_while_nothing_is_found() -> None:
    longest = 0

    def counting(ids: Sequence[int]) -> str:
        nonlocal longest
        longest = max(longest, len(ids))
        return decode(ids)

    detector = StopDetector(["\n\nQuestion:"], counting)
    ids = list(b"a" * 500)
    assert all(detector.text_before_stop(ids[:n]) is None for n in range(1, 501))
    assert longest < 30


def test_without_stop_strings_nothing_is_decoded() -> None:
    def refuse(ids: Sequence[int]) -> str:
        raise AssertionError(ids)

    assert StopDetector([], refuse).text_before_stop([1, 2, 3]) is None

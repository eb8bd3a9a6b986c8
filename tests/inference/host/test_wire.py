"""Messages arrive whole and in order, however the bytes are cut, and both ends may talk at once."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.inference.host.wire import CaptureOrder, Channel, Submission

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)
)
messages = st.dictionaries(st.text(max_size=4), json_values, max_size=4)


def ends() -> tuple[Channel, Channel]:
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


@given(st.lists(messages, max_size=5), st.lists(st.integers(0, 400), max_size=6))
def test_messages_survive_any_cut_of_the_stream(
    sent: list[dict[str, Any]], cuts: list[int]
) -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(theirs)
    stream = b"".join(json.dumps(message).encode() + b"\n" for message in sent)
    received: list[dict[str, Any]] = []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), None], strict=True):
        ours.sendall(stream[start:end])
        while (message := channel.receive(0)) is not None:
            received.append(message)
    ours.close()
    assert channel.receive(None) is None
    assert channel.is_closed
    assert received == sent
    channel.close()


def test_two_ends_that_send_more_than_the_buffers_hold_do_not_wait_for_each_other() -> None:
    long = {"text": "x" * 400_000}
    left, right = ends()
    received: dict[str, list[int]] = {"left": [], "right": []}

    def exchange(channel: Channel, name: str) -> None:
        for number in range(5):
            channel.send({**long, "number": number})
        for _ in range(5):
            message = channel.receive(60)
            assert message is not None
            received[name].append(message["number"])

    threads = [
        threading.Thread(target=exchange, args=(channel, name), daemon=True)
        for channel, name in ((left, "left"), (right, "right"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert received == {"left": list(range(5)), "right": list(range(5))}
    left.close()
    right.close()


def test_messages_of_two_threads_do_not_mix() -> None:
    left, right = ends()
    messages = [{"n": n, "ids": list(range(200_000))} for n in range(2)]
    threads = [threading.Thread(target=left.send, args=(m,), daemon=True) for m in messages]
    for thread in threads:
        thread.start()
        thread.join(0.2)  # it waits, since nobody reads yet
    assert all(thread.is_alive() for thread in threads)
    assert [right.receive(60), right.receive(60)] == messages
    left.close()
    right.close()


def test_the_end_of_the_other_side_is_seen_after_its_last_message() -> None:
    left, right = ends()
    left.send({"n": 1})
    left.close()
    assert right.receive(None) == {"n": 1}
    assert not right.is_closed
    assert right.receive(None) is None
    assert right.is_closed
    with pytest.raises(OSError, match="gone"):
        right.send({"n": 2})
    right.close()


def test_a_line_that_was_cut_off_by_the_end_is_no_message() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(theirs)
    ours.sendall(b'{"n": 1}\n{"n": ')
    ours.close()
    assert channel.receive(None) == {"n": 1}
    assert channel.receive(None) is None
    channel.close()


def test_nothing_in_time_is_none_and_no_end() -> None:
    left, right = ends()
    assert left.receive(0) is None
    assert left.receive(0.01) is None
    assert not left.is_closed
    right.close()
    left.close()


orders = st.builds(CaptureOrder, st.integers(0), st.integers(0), st.integers(0), st.integers(0))
submissions = st.builds(
    Submission,
    id=st.integers(0),
    prompt_ids=st.lists(st.integers(0, 1 << 20), max_size=5),
    max_new_tokens=st.integers(1),
    temperature=st.floats(0, 5),
    top_p=st.floats(0.01, 1),
    top_k=st.integers(0),
    seed=st.none() | st.integers(0, (1 << 63) - 1),
    stop=st.lists(st.text(), max_size=3).map(tuple),
    end_ids=st.lists(st.integers(0), max_size=3).map(tuple),
    capture=st.none() | orders,
)


@given(submissions)
def test_a_submission_is_the_same_behind_the_wire(submission: Submission) -> None:
    left, right = ends()
    left.send(submission.to_message())
    message = right.receive(5)
    left.close()
    right.close()
    assert message is not None
    assert message["op"] == "submit"
    assert Submission.from_message(message) == submission

"""Both HTTP judges, with the real SDKs against a server on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from quarry.equivalence.judge_answer import Price, RequestFailedError
from quarry.equivalence.judge_anthropic import AnthropicJudge
from quarry.equivalence.judge_failures import failure_of
from quarry.equivalence.judge_openai import OpenAICompatibleJudge
from quarry.errors import JudgeRefusedError, UsageError
from tests.equivalence.grader_server import PRICE, VERSION, Fault, GraderServer
from tests.equivalence.judge_cases import KEY, RUBRIC, items, judge_of

KINDS = ("anthropic", "openai-compatible")
[ITEM, WRONG] = items(2)


@pytest.fixture(scope="module")
def server() -> Iterator[GraderServer]:
    with GraderServer() as running:
        yield running


@pytest.fixture(autouse=True)
def good_days(server: GraderServer) -> None:
    server.fault = lambda _: None
    server.retry_after = "0"


def failure(kind: str, server: GraderServer, fault: Fault, timeout_s: float = 10.0) -> Exception:
    server.fault = lambda _: fault
    judge = judge_of(kind, server, timeout_s=timeout_s)
    with pytest.raises((RequestFailedError, JudgeRefusedError)) as caught:
        judge.ask(ITEM, RUBRIC)
    judge.close()
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_a_verdict_comes_with_its_bill(kind: str, server: GraderServer) -> None:
    judge = judge_of(kind, server)
    reply = judge.ask(ITEM, RUBRIC)
    assert (reply.verdict, reply.trimmed) == ("EQUIVALENT", " Grace Miller")
    assert reply.answer.model_version == VERSION
    assert reply.answer.request_id.startswith("req_")
    assert VERSION in reply.answer.raw
    assert judge.ask(WRONG, RUBRIC).verdict == "NOT_EQUIVALENT"
    most_input, most_output = judge.most_tokens(ITEM, RUBRIC)
    assert most_input >= reply.answer.input_tokens > 0
    assert most_output >= reply.answer.output_tokens > 0


def test_claude_is_asked_for_structured_output_without_sampling(server: GraderServer) -> None:
    judge_of("anthropic", server).ask(ITEM, RUBRIC)
    body = server.books.asked[-1].body
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert (body["temperature"], body["max_tokens"]) == (0.0, 512)
    assert RUBRIC.instructions.strip() in body["system"]
    assert [message["role"] for message in body["messages"]] == ["user"]


def test_a_model_that_refuses_a_temperature_gets_none(server: GraderServer) -> None:
    judge = AnthropicJudge(
        "judge-2",
        api_key=KEY,
        price=PRICE,
        temperature=None,
        request={"thinking": {"type": "disabled"}},
        base_url=server.url,
    )
    judge.ask(ITEM, RUBRIC)
    body = server.books.asked[-1].body
    assert "temperature" not in body
    assert body["thinking"] == {"type": "disabled"}
    assert judge.describe()["parameters"] == {
        "max_output_tokens": 512,
        "thinking": {"type": "disabled"},
    }


def test_a_chat_server_is_asked_for_the_schema_strictly(server: GraderServer) -> None:
    judge_of("openai-compatible", server).ask(ITEM, RUBRIC)
    body = server.books.asked[-1].body
    assert body["response_format"]["json_schema"]["strict"] is True
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert (body["temperature"], body["max_completion_tokens"]) == (0.0, 512)


def test_each_request_has_another_name(server: GraderServer) -> None:
    judge = judge_of("anthropic", server)
    for _ in range(3):
        judge.ask(ITEM, RUBRIC)
    assert len({asked.name for asked in server.books.asked[-3:]}) == 3


EXPECTED: dict[Fault, tuple[str, bool | None]] = {
    "429": ("passes", False),
    "529": ("passes", False),
    "500": ("passes", False),
    "503": ("passes", False),
    "drop": ("passes", None),
    "408": ("passes", None),
    "504": ("passes", None),
    "413": ("item", False),
    "too long": ("item", False),
    "quota": ("limit", False),
    "spend limit": ("limit", False),
    "no json": ("unusable", None),
    "bad json": ("unusable", True),
    "two verdicts": ("unusable", True),
    "wrong trimmed": ("unusable", True),
    "empty": ("unusable", True),
    "truncated": ("unusable", True),
    "another request": ("unusable", True),
    "free text": ("unusable", True),
    "two texts": ("unusable", True),
    "echo first": ("unusable", True),
    "echo last": ("unusable", True),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_is_told_apart_with_what_it_is_billed(
    kind: str, fault: Fault, server: GraderServer
) -> None:
    error = failure(kind, server, fault)
    assert isinstance(error, RequestFailedError)
    assert (error.kind, error.is_billed) == EXPECTED[fault]
    assert (error.answer is not None) is (error.is_billed is True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_sdk_makes_one_attempt_only(kind: str, server: GraderServer) -> None:
    before = len(server.books.asked)
    failure(kind, server, "529")
    assert len(server.books.asked) == before + 1


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_timeout_nobody_knows_the_bill(kind: str, server: GraderServer) -> None:
    error = failure(kind, server, "hang", timeout_s=0.3)
    assert isinstance(error, RequestFailedError)
    assert (error.kind, error.is_billed) == ("passes", None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_not_there_bills_nothing(kind: str) -> None:
    with GraderServer() as gone:
        judge = judge_of(kind, gone)
    with pytest.raises(RequestFailedError) as caught:
        judge.ask(ITEM, RUBRIC)
    assert (caught.value.kind, caught.value.is_billed) == ("passes", False)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_the_pause_that_is_asked_for_is_read(
    header: str, expected: float | None, server: GraderServer
) -> None:
    server.retry_after = header
    error = failure("anthropic", server, "429")
    assert isinstance(error, RequestFailedError)
    assert error.retry_after_s == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["400", "401", "403", "404"])
def test_what_only_a_person_can_mend_says_so_without_the_key(
    kind: str, fault: Fault, server: GraderServer
) -> None:
    error = failure(kind, server, fault)
    assert isinstance(error, JudgeRefusedError)
    assert f"HTTP {fault}" in (error.got or "")
    assert "[key]" in (error.got or "")
    assert KEY not in str(error)
    assert error.__suppress_context__


@pytest.mark.parametrize("n_before", [270, 295, 299, 300])
def test_no_part_of_the_key_is_left_where_a_message_is_cut(n_before: int) -> None:
    error = failure_of(ValueError("x" * n_before + KEY), openai, key=KEY, variable="KEY")
    assert KEY[:4] not in str(error)
    assert "x" * n_before in str(error)


@pytest.mark.parametrize("key", [None, "", "  "])
def test_a_missing_key_names_the_variable(key: str | None) -> None:
    with pytest.raises(JudgeRefusedError, match="ANTHROPIC_API_KEY"):
        AnthropicJudge("judge-1", api_key=key, price=PRICE)
    with pytest.raises(JudgeRefusedError, match="OPENAI_API_KEY"):
        OpenAICompatibleJudge("judge-1", base_url=None, api_key=key, price=PRICE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_is_in_no_description(kind: str, server: GraderServer) -> None:
    judge = judge_of(kind, server)
    assert KEY not in repr(judge) + str(judge.describe())
    assert judge.describe()["kind"] == kind


def test_what_a_reply_may_cost_can_not_be_changed_behind_the_books() -> None:
    with pytest.raises(UsageError, match="max_tokens"):
        AnthropicJudge("judge-1", api_key=KEY, price=PRICE, request={"max_tokens": 9999})


def test_prices_are_whole_and_never_too_low() -> None:
    assert Price(1, 5).nano_usd(640, 30) == 640_000 + 150_000
    assert Price(0.1, 0.5).nano_usd(3, 1) == 300 + 500
    assert Price(0.00001, 0).nano_usd(1, 0) == 1
    assert Price(0, 0).nano_usd(1000, 1000) == 0

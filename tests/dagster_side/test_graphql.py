"""What a web server may answer ends in an error that says what to do, and asks no proxy."""

from __future__ import annotations

from typing import Any

import pytest

from assets.partitions import build_grid
from commands.finding_ui import require_same_grid
from commands.graphql import GraphQL
from quarry.errors import NoAnswerError, QuarryError, UsageError
from tests.costs.records import catalog
from tests.dagster_side.answering import LOADED, answering, data

MODEL = {"path": "somewhere", "prompt_style": "raw"}


def grid(*models: str):
    return build_grid(catalog(models=dict.fromkeys(models, MODEL)))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_not_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch, host: str):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with answering(lambda *_: (403, b"denied")) as proxy, answering(lambda *_: data(LOADED)) as url:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        assert GraphQL(url.replace("127.0.0.1", host)).locations() == {"quarry": ""}
        with pytest.raises(NoAnswerError, match="403"):
            GraphQL("http://dagster.example.org").locations()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (data({"workspaceOrError": {"__typename": "PythonError", "message": "boom"}}), "boom"),
        ((400, b'{"errors": [{"message": "no such field"}]}'), "no such field"),
        ((200, b"null"), "None"),
        ((200, b"<html>"), "200 OK"),
        ((502, b"bad gateway"), "502"),
    ],
)
def test_an_answer_that_is_none_is_an_error_of_ours(answer: tuple[int, bytes], said: str):
    with answering(lambda *_: answer) as url, pytest.raises(QuarryError) as refused:
        GraphQL(url, "see its log").locations()
    assert said in str(refused.value)
    assert "see its log" in str(refused.value)


def test_nobody_there_is_an_error_of_ours():
    with pytest.raises(NoAnswerError, match="does not answer") as refused:
        GraphQL("http://127.0.0.1:9").locations()
    assert refused.value.got == "Connection refused"


@pytest.mark.parametrize(
    "models", [("a", "c"), ("c", "a", "big70b"), ("a", "big70b", "c", "new"), ("b", "big70b", "c")]
)
def test_nothing_is_launched_where_the_catalog_was_read_before_it_was_edited(
    models: tuple[str, ...],
):
    served = grid("a", "big70b", "c")

    def reply(query: str, variables: dict[str, Any]) -> tuple[int, bytes]:
        assert variables == {"keys": [{"path": ["trajectories"]}]}
        keys = {"model": served.models, "benchmark": served.benchmarks}
        dimensions = [
            {"name": name, "partitionKeys": one.get_partition_keys()} for name, one in keys.items()
        ]
        return data({"assetNodes": [{"partitionKeysByDimension": dimensions}]})

    with answering(reply) as url:
        require_same_grid(GraphQL(url), served)
        with pytest.raises(UsageError, match="Reload definitions") as refused:
            require_same_grid(GraphQL(url), grid(*models))
    assert "a, big70b, c" in str(refused.value)


def test_a_server_without_our_assets_is_refused():
    with (
        answering(lambda *_: data({"assetNodes": []})) as url,
        pytest.raises(UsageError, match="got: none"),
    ):
        require_same_grid(GraphQL(url), grid("a"))

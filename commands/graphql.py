"""`GraphQL`: speaking to a Dagster web server."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from quarry.errors import NoAnswerError, QuarryError

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "quarry"}
"""How `workspace.yaml` names our definitions."""

_LOCATIONS = """query { workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError { __typename ... on PythonError { message } } } }
    ... on PythonError { message } } }"""
_PARTITION_KEYS = """query ($keys: [AssetKeyInput!]!) { assetNodes(assetKeys: $keys) {
    partitionKeysByDimension { name partitionKeys } } }"""
_LAUNCH_BACKFILL = """mutation ($params: LaunchBackfillParams!) {
    launchPartitionBackfill(backfillParams: $params) { __typename
    ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_PATIENCE_S = 120.0


class GraphQL:
    """The interface of one web server.

    Args:
        url: of the server, without the path of the interface.
        hint: what to do when it refuses something.
    """

    def __init__(self, url: str, hint: str = "see the output of `quarry ui`") -> None:
        self.url, self._hint = url.rstrip("/"), hint
        self._session = requests.Session()
        # a proxy of the environment knows nothing of this machine's own ports
        self._session.trust_env = not _is_loopback(self.url)
        # minutes lie between two questions: the server would have closed what is kept open
        self._session.headers["Connection"] = "close"

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The data of an answer.

        Raises:
            QuarryError: the server refuses the query.
            NoAnswerError: nobody answers, or no such server.
        """
        question = {"query": query, "variables": dict(variables or {})}
        answer = self._answer("POST", "/graphql", json=question)
        try:
            document = answer.json()
        except ValueError as error:
            raise self._no_answer(f"{answer.status_code} {answer.reason}") from error
        if not isinstance(document, dict) or document.get("errors") or not document.get("data"):
            raise self.refused("a query", document)
        return document["data"]

    def page(self) -> str:
        """The page that a browser is given first.

        Raises:
            NoAnswerError: nobody answers.
        """
        answer = self._answer("GET", "/")
        if not answer.ok:
            raise self._no_answer(f"{answer.status_code} {answer.reason}")
        return answer.text

    def locations(self) -> dict[str, str]:
        """The code locations that are loaded or failed to, with the error; empty for none.

        Raises:
            QuarryError, NoAnswerError: see `ask`.
        """
        found = self.ask(_LOCATIONS)["workspaceOrError"]
        if "locationEntries" not in found:
            raise self.refused("listing its code locations", found.get("message", found))
        return {
            entry["name"]: ""
            if loaded["__typename"] == "RepositoryLocation"
            else loaded.get("message", loaded["__typename"])
            for entry in found["locationEntries"]
            if (loaded := entry["locationOrLoadError"])
        }

    def partition_keys(self, asset: str) -> dict[str, list[str]]:
        """The partition keys of an asset by dimension, in the server's order; empty for none.

        Raises:
            QuarryError, NoAnswerError: see `ask`.
        """
        nodes = self.ask(_PARTITION_KEYS, {"keys": [{"path": [asset]}]})["assetNodes"]
        return {
            one["name"]: one["partitionKeys"]
            for node in nodes
            for one in node["partitionKeysByDimension"]
        }

    def launch_backfill(self, params: Mapping[str, Any]) -> str:
        """Launch a backfill; returns its id.

        Args:
            params: the input `LaunchBackfillParams`.

        Raises:
            QuarryError, NoAnswerError: see `ask`.
        """
        answer = self.ask(_LAUNCH_BACKFILL, {"params": params})["launchPartitionBackfill"]
        if answer["__typename"] != "LaunchBackfillSuccess":
            raise self.refused("launching a backfill", answer.get("message", answer))
        return answer["backfillId"]

    def backfill_url(self, backfill_id: str) -> str:
        """Where a browser finds a backfill."""
        return f"{self.url}/runs/b/{backfill_id}"

    def refused(self, what: str, got: object) -> QuarryError:
        """The error for an answer that is not the one hoped for."""
        return QuarryError(
            f"Dagster did not do it: {what}",
            where=self.url,
            expected="success",
            got=str(got),
            fix=self._hint,
        )

    def _answer(self, method: str, path: str, **what: Any) -> requests.Response:
        try:
            return self._session.request(method, f"{self.url}{path}", timeout=_PATIENCE_S, **what)
        except requests.RequestException as error:
            raise self._no_answer(_in_words(error)) from error

    def _no_answer(self, got: str) -> NoAnswerError:
        return NoAnswerError(
            "Dagster's web server does not answer",
            where=self.url,
            expected="an answer of Dagster's web server",
            got=got,
            fix=self._hint,
        )


def _in_words(error: requests.RequestException) -> str:
    """Why there was no answer, as the system says it."""
    if isinstance(error, requests.Timeout):
        return f"none within {_PATIENCE_S:.0f} s"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__context__
    return str(error)


def _is_loopback(url: str) -> bool:
    """Whether an address names this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

"""`GraphQL`: speaking to a Dagster web server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from quarry.errors import QuarryError

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "quarry"}
"""How `workspace.yaml` names our definitions."""

_LOCATIONS = """query { workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError { __typename ... on PythonError { message } } } } } }"""
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

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The data of an answer.

        Raises:
            QuarryError: the server refuses the query.
            requests.RequestException: nobody answers.
        """
        answer = requests.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": dict(variables or {})},
            timeout=_PATIENCE_S,
        )
        answer.raise_for_status()
        document = answer.json()
        if document.get("errors"):
            raise self.refused("a query", document["errors"])
        return document["data"]

    def locations(self) -> dict[str, str]:
        """The code locations that are loaded or failed to, with the error; empty for none.

        Raises:
            QuarryError, requests.RequestException: see `ask`.
        """
        entries = self.ask(_LOCATIONS)["workspaceOrError"]["locationEntries"]
        return {
            entry["name"]: ""
            if loaded["__typename"] == "RepositoryLocation"
            else loaded.get("message", loaded["__typename"])
            for entry in entries
            if (loaded := entry["locationOrLoadError"])
        }

    def launch_backfill(self, params: Mapping[str, Any]) -> str:
        """Launch a backfill; returns its id.

        Args:
            params: the input `LaunchBackfillParams`.

        Raises:
            QuarryError, requests.RequestException: see `ask`.
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

"""Metrics by name: what a set says of how it is scored, without any stored code.

Metrics of your own are registered by importing the module that defines them, before a set is asked
for its metric. Named tokens of a row are those whose label is not -100; the logits of a position
are those of the next token, as causal models of transformers give them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quarry.errors import UnknownNameError, UsageError
from quarry.evaluation_sets.schema import IGNORED_LABEL

Scores = npt.NDArray[np.float64]
Metric = Callable[..., Scores]
"""`(logits, labels, **parameters)` to one number a row, `(n_rows,)` float64."""

_METRICS: Final[dict[str, Metric]] = {}


@dataclass(frozen=True)
class MetricChoice:
    """A metric by its registered name, with its parameters; plain JSON.

    Args:
        name: as registered.
        parameters: keyword arguments of the metric.
    """

    name: str = "completion_log_likelihood"
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def resolve(self) -> Metric:
        """The metric, its parameters filled in; takes logits and labels.

        Raises:
            UnknownNameError: no metric has this name.
            UsageError: it takes no such parameters.
        """
        metric = _METRICS.get(self.name)
        if metric is None:
            raise UnknownNameError(
                "There is no such metric",
                where="metric of an evaluation set",
                expected=f"one of {', '.join(known_metrics())}",
                got=repr(self.name),
                fix="import the module that registers it, or name another metric",
            )
        try:
            inspect.signature(metric).bind(None, None, **self.parameters)
        except TypeError as error:
            raise UsageError(
                "A metric can't be called with these parameters",
                where=f"metric {self.name}",
                expected=f"{self.name}{inspect.signature(metric)}",
                got=f"{dict(self.parameters)}: {error}",
                fix="correct the parameters",
            ) from error
        return partial(metric, **self.parameters)


def register_metric(name: str) -> Callable[[Metric], Metric]:
    """Register a function as the metric of a name; a decorator.

    Raises:
        UsageError: another function has that name.
    """

    def register(metric: Metric) -> Metric:
        known = _METRICS.get(name)
        # a notebook defines its metric again and again
        if known is not None and _place(known) != _place(metric):
            raise UsageError(
                "Two metrics have the same name",
                where=name,
                expected="one function for each name",
                got=f"{_place(known)} and {_place(metric)}",
                fix="register the new one under another name",
            )
        _METRICS[name] = metric
        return metric

    return register


def known_metrics() -> tuple[str, ...]:
    """Names of all registered metrics, sorted."""
    return tuple(sorted(_METRICS))


def scored_tokens(logits: Any, labels: Any) -> Iterator[tuple[Scores, npt.NDArray[np.int64]]]:
    """The named tokens of each row with the logits that predict them.

    Row by row, so that only one row's logits are ever held as float64.

    Args:
        logits: `(n_rows, n_tokens, n_vocabulary)`; numpy, or a tensor of torch on any device.
        labels: `(n_rows, n_tokens)` integers, -100 where a token is not scored.

    Yields:
        `(n_scored, n_vocabulary)` float64 and `(n_scored,)` int64. The first token of a row
        is never scored: nothing predicts it.

    Raises:
        UsageError: the shapes do not fit, or a label is outside the vocabulary.
    """
    scores, wanted = _as_numpy(logits), _as_numpy(labels)
    if scores.ndim != 3 or wanted.ndim != 2 or scores.shape[:2] != wanted.shape:
        raise UsageError(
            "Logits and labels do not belong together",
            expected="logits (n_rows, n_tokens, n_vocabulary) and labels (n_rows, n_tokens)",
            got=f"logits {scores.shape} and labels {wanted.shape}",
            fix="pass the whole logits of the model, and labels padded with -100 as the inputs are",
        )
    for row_scores, row_wanted in zip(scores[:, :-1], wanted[:, 1:], strict=True):
        places = np.flatnonzero(row_wanted != IGNORED_LABEL)
        named = row_wanted[places].astype(np.int64)
        if named.size and not 0 <= named.min() <= named.max() < scores.shape[2]:
            raise UsageError(
                "A label is no token of the model",
                expected=f"-100, or 0 .. {scores.shape[2] - 1}",
                got=f"{named.min()} .. {named.max()}",
                fix="use the model that the set was made for",
            )
        yield row_scores[places].astype(np.float64), named


def token_log_probabilities(logits: Any, labels: Any) -> Iterator[Scores]:
    """The log-probability of each named token, row by row: `(n_scored,)` float64, in nats.

    Args:
        logits: `(n_rows, n_tokens, n_vocabulary)`.
        labels: `(n_rows, n_tokens)`.

    Raises:
        UsageError: as `scored_tokens`.
    """
    for scores, named in scored_tokens(logits, labels):
        highest = scores.max(axis=1, initial=-np.inf)
        total = np.log(np.exp(scores - highest[:, None]).sum(axis=1)) + highest
        yield scores[np.arange(len(named)), named] - total


@register_metric("completion_log_likelihood")
def completion_log_likelihood(logits: Any, labels: Any, *, is_per_token: bool = False) -> Scores:
    """Log-probability of each completion, in nats: `(n_rows,)`; NaN for a row without one.

    Args:
        logits: `(n_rows, n_tokens, n_vocabulary)`.
        labels: `(n_rows, n_tokens)`, prompt masked to -100.
        is_per_token: whether it is divided by the number of tokens.
    """
    rows = token_log_probabilities(logits, labels)
    return _each(rows, np.mean if is_per_token else np.sum)


@register_metric("completion_loss")
def completion_loss(logits: Any, labels: Any) -> Scores:
    """Mean cross-entropy of each completion's tokens, in nats: `(n_rows,)`.

    Args:
        logits: `(n_rows, n_tokens, n_vocabulary)`.
        labels: `(n_rows, n_tokens)`, prompt masked to -100.
    """
    return -completion_log_likelihood(logits, labels, is_per_token=True)


@register_metric("completion_accuracy")
def completion_accuracy(logits: Any, labels: Any, *, is_whole: bool = False) -> Scores:
    """Share of each completion's tokens that the model thinks likeliest: `(n_rows,)`, 0 .. 1.

    Args:
        logits: `(n_rows, n_tokens, n_vocabulary)`.
        labels: `(n_rows, n_tokens)`, prompt masked to -100.
        is_whole: whether only a completion of which all tokens are counts, as 1.
    """
    hits = (
        (scores.argmax(axis=1) == named).astype(np.float64) if named.size else np.empty(0)
        for scores, named in scored_tokens(logits, labels)
    )
    return _each(hits, np.min if is_whole else np.mean)


def _each(rows: Iterator[Scores], reduce: Callable[[Scores], Any]) -> Scores:
    """One number a row, NaN for a row without tokens."""
    return np.array([float(reduce(row)) if row.size else np.nan for row in rows], np.float64)


def _as_numpy(values: Any) -> npt.NDArray[Any]:
    """Values as numpy has them; of torch only what every tensor can do is used."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        # numpy has no bfloat16
        values = values.float() if values.is_floating_point() else values
    return np.asarray(values)


def _place(metric: Metric) -> str:
    """Module and name of a function."""
    return f"{metric.__module__}.{metric.__qualname__}"

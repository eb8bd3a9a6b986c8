"""Metrics by name: against torch's own cross-entropy, on numpy and on tensors."""

from typing import Any

import numpy as np
import pytest
import torch

from quarry.errors import UnknownNameError, UsageError
from quarry.evaluation_sets.loading import EvalDataset
from quarry.evaluation_sets.metrics import MetricChoice, known_metrics, register_metric

RANDOM = np.random.default_rng(5)
LOGITS = RANDOM.normal(size=(3, 6, 11)) * 20
LABELS = np.array(
    [[-100, -100, 3, 4, 5, 6], [-100, 1, 2, -100, -100, -100], [-100] * 6], dtype=np.int64
)


def score(name: str, logits: Any = LOGITS, labels: Any = LABELS, **parameters: Any):
    return MetricChoice(name, parameters).resolve()(logits, labels)


def losses() -> list[float]:
    """Sums of cross-entropy, as torch has them, of the rows with a completion."""
    return [
        float(
            torch.nn.functional.cross_entropy(
                torch.tensor(LOGITS[row, :-1]), torch.tensor(LABELS[row, 1:]), reduction="sum"
            )
        )
        for row in range(2)
    ]


def test_the_log_likelihood_is_torchs_cross_entropy():
    assert np.allclose(score("completion_log_likelihood")[:2], [-loss for loss in losses()])
    per_token = score("completion_log_likelihood", is_per_token=True)[:2]
    assert np.allclose(per_token, [-losses()[0] / 4, -losses()[1] / 2])
    assert np.allclose(score("completion_loss")[:2], -per_token)


def test_a_row_without_completion_has_no_score():
    for name in known_metrics():
        if name.startswith("completion_"):
            assert np.isnan(score(name)[2])


def test_accuracy_counts_the_likeliest_tokens():
    logits = np.zeros((1, 4, 5))
    logits[0, 1, 3] = logits[0, 2, 4] = 1.0
    labels = np.array([[-100, -100, 3, 2]])
    assert score("completion_accuracy", logits, labels)[0] == 0.5
    assert score("completion_accuracy", logits, labels, is_whole=True)[0] == 0.0
    assert score("completion_accuracy", logits, [[-100, -100, 3, 4]], is_whole=True)[0] == 1.0


def test_large_logits_do_not_overflow():
    assert np.isfinite(score("completion_loss", LOGITS * 1e6)[:2]).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tensors_are_taken_as_models_give_them(dtype):
    logits = torch.tensor(LOGITS, dtype=dtype, requires_grad=True)
    wanted = score("completion_loss", logits.detach().float().numpy())
    got = score("completion_loss", logits, torch.tensor(LABELS))
    assert np.allclose(got[:2], wanted[:2])


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (LOGITS[0], LABELS[0]),
        (LOGITS[:, :-1], LABELS),
        (LOGITS, np.full((3, 6), 11)),
        (LOGITS, np.full((3, 6), -1)),
    ],
)
def test_what_does_not_belong_together_is_refused(logits, labels):
    with pytest.raises(UsageError):
        score("completion_loss", logits, labels)


def test_an_unknown_metric_is_refused_and_the_known_ones_are_named():
    with pytest.raises(UnknownNameError, match="completion_log_likelihood"):
        score("perplexity_of_nothing")


def test_parameters_that_a_metric_does_not_take_are_refused():
    with pytest.raises(UsageError, match="is_whole"):
        score("completion_loss", is_whole=True)


def test_a_metric_of_ones_own_is_found_by_its_name_and_no_other_takes_it():
    name = "test_of_registering"

    def own(logits, labels):
        return np.zeros(len(labels))

    def other(logits, labels):
        return np.ones(len(labels))

    register_metric(name)(own)
    register_metric(name)(own)
    assert score(name).tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(UsageError, match="same name"):
        register_metric(name)(other)


def test_a_set_without_description_takes_a_metric_that_is_named():
    loaded = EvalDataset(dataset=None, description=None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UnknownNameError, match="names no metric"):
        loaded.metric(LOGITS, LABELS)
    assert loaded.metric(LOGITS, LABELS, MetricChoice("completion_loss")).shape == (3,)

"""What stands in for a problem's states depends on its id, the seed and the reference alone."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from quarry.errors import UsageError
from quarry.inference.codi.ablation import ablated_layers, check_reference, replacements
from quarry.inference.codi.reference import CodiReference
from quarry.inference.codi.settings import Ablation, AblationKind, CodiSettings

N_PROBLEMS, N_SLOTS, LAYERS, D_MODEL = 40, 3, (0, 1), 16
IDS = tuple(f"train_{number}" for number in range(N_PROBLEMS))


def reference(ids: tuple[str, ...] = IDS) -> CodiReference:
    """States of problems, each the same wherever it stands."""
    states = [
        torch.randn(
            (N_SLOTS, len(LAYERS), D_MODEL), generator=torch.Generator().manual_seed(IDS.index(one))
        )
        * 3
        + 5
        for one in ids
    ]
    return CodiReference(ids, LAYERS, "paper", torch.stack(states))


def settings(kind: AblationKind, seed: int = 0, n_ablated: int | None = None) -> CodiSettings:
    return CodiSettings(n_latents=N_SLOTS, ablation=Ablation(kind, "all", n_ablated, seed))


def stand_ins(
    kind: AblationKind, ids: list[str], seed: int = 0, known: CodiReference | None = None
) -> torch.Tensor:
    return replacements(ids, settings(kind, seed), LAYERS, D_MODEL, known or reference())


@pytest.mark.parametrize("kind", ["zeros", "mean", "noise", "shuffle"])
def test_a_problem_gets_the_same_whoever_is_in_its_batch(kind: AblationKind) -> None:
    together = stand_ins(kind, ["train_7", "test_1", "train_3"])
    assert together.shape == (3, N_SLOTS, len(LAYERS), D_MODEL)
    assert torch.equal(together[1:2], stand_ins(kind, ["test_1"]))
    assert torch.equal(together[:1], stand_ins(kind, ["train_7"]))


@pytest.mark.parametrize("kind", ["noise", "shuffle"])
def test_problems_and_seeds_get_different_states(kind: AblationKind) -> None:
    first, second = stand_ins(kind, ["train_7", "train_8"])
    assert not torch.equal(first, second)
    assert not torch.equal(first, stand_ins(kind, ["train_7"], seed=1)[0])


@pytest.mark.parametrize("kind", ["mean", "shuffle"])
def test_the_order_of_the_reference_does_not_matter(kind: AblationKind) -> None:
    turned = reference(IDS[::-1])
    found = stand_ins(kind, ["train_7", "test_1"], known=turned)
    torch.testing.assert_close(found, stand_ins(kind, ["train_7", "test_1"]))


def test_noise_has_the_mean_and_deviation_of_each_slot_layer_and_dimension() -> None:
    known = reference()
    drawn = stand_ins("noise", [f"test_{number}" for number in range(2000)])
    torch.testing.assert_close(drawn.mean(dim=0), known.mean, rtol=0, atol=0.4)
    torch.testing.assert_close(drawn.std(dim=0), known.std, rtol=0.12, atol=0)
    centred = drawn - known.mean
    assert abs(float((centred[:, 0] * centred[:, 1]).mean())) < 0.2, "slots must be independent"


def test_noise_of_a_block_does_not_depend_on_which_others_are_ablated() -> None:
    both = replacements(["test_1"], settings("noise"), (0, 1), D_MODEL, reference())
    known = reference()
    one = CodiReference(known.ids, (1,), "paper", known.states[:, :, 1:])
    alone = replacements(["test_1"], settings("noise"), (1,), D_MODEL, one)
    assert torch.equal(both[:, :, 1:], alone)


def test_no_problem_lends_states_to_itself_and_all_lend_some() -> None:
    known = reference()
    donors = {one: known.ids[known.donor(one, seed=0)] for one in known.ids}
    assert all(one != donor for one, donor in donors.items())
    lent = Counter(known.donor(f"test_{number}", seed=0) for number in range(4000))
    assert len(lent) == N_PROBLEMS
    assert max(lent.values()) < 2 * 4000 / N_PROBLEMS


def test_a_lone_problem_has_no_donor() -> None:
    known = reference(IDS[:1])
    with pytest.raises(UsageError, match="No other problem"):
        known.donor(IDS[0], seed=0)
    assert known.donor("test_1", seed=0) == 0


def test_the_first_slots_are_ablated() -> None:
    known = reference()
    found = replacements(["test_1"], settings("mean", n_ablated=2), LAYERS, D_MODEL, known)
    assert torch.equal(found[0], known.mean[:2])


def test_the_middle_block_is_that_of_the_domain() -> None:
    assert ablated_layers("middle", 16) == (8,)
    assert ablated_layers("middle", 3) == (1,)
    assert ablated_layers("all", 3) == (0, 1, 2)
    assert ablated_layers(2, 3) == (2,)
    with pytest.raises(UsageError, match="does not exist"):
        ablated_layers(3, 3)


def test_a_missing_reference_is_refused_where_one_is_needed() -> None:
    check_reference(settings("zeros"), LAYERS, None)
    with pytest.raises(UsageError, match="needs states of reference problems"):
        check_reference(settings("mean"), LAYERS, None)


@pytest.mark.parametrize(
    ("chosen", "layers"),
    [
        (CodiSettings(n_latents=2, ablation=Ablation("mean", "all")), LAYERS),
        (
            CodiSettings("bot_in_slots", n_latents=N_SLOTS, ablation=Ablation("mean", "all")),
            LAYERS,
        ),
        (settings("mean"), (0,)),
    ],
)
def test_a_reference_of_other_settings_is_refused(
    chosen: CodiSettings, layers: tuple[int, ...]
) -> None:
    check_reference(settings("mean"), LAYERS, reference())
    with pytest.raises(UsageError, match="belong to another setting"):
        check_reference(chosen, layers, reference())


def test_a_record_of_the_reference_names_its_problems() -> None:
    assert reference().as_dict() == reference().as_dict()
    assert reference().as_dict()["n_problems"] == N_PROBLEMS
    assert reference(IDS[:5]).as_dict() != reference(IDS[1:6]).as_dict()

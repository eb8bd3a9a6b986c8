"""`CodiCheckpoint`, `CodiSettings`, `Ablation`: which CODI model, how it thinks, what is ablated.

Plain records without torch, so that a catalog can hold them. How they are carried out lives in
`model`, `runs` and `ablation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from quarry.errors import UsageError

AblationKind = Literal["zeros", "mean", "noise", "shuffle"]
Protocol = Literal["paper", "bot_in_slots"]

KINDS: Final[tuple[str, ...]] = get_args(AblationKind)
PROTOCOLS: Final[tuple[str, ...]] = get_args(Protocol)
NAMED_LAYERS: Final = ("middle", "all")


@dataclass(frozen=True)
class CodiCheckpoint:
    """Where a CODI model is.

    Args:
        weights: directory or hub id of the state dict (`model.safetensors` or
            `pytorch_model.bin`, also in shards).
        base: directory or hub id of the base model, which gives config and tokenizer; None where
            they lie beside the weights.
        weights_revision: hub revision of `weights`.
        base_revision: hub revision of `base`.
        lora_alpha: scale of the LoRA adapters, times their rank; no file of a checkpoint says it.
    """

    weights: str | Path
    base: str | Path | None = None
    weights_revision: str | None = None
    base_revision: str | None = None
    lora_alpha: float = 32.0


@dataclass(frozen=True)
class Ablation:
    """What replaces the output of decoder blocks while the model thinks.

    Args:
        kind: `zeros`; `mean` of reference problems, for each slot; `noise`, Gaussian with their
            mean and standard deviation; `shuffle`, the states of another reference problem.
        layer: `middle` (block `n_layers // 2`), `all`, or a block counted from 0.
        n_latents: the first so many slots are ablated; None for all.
        seed: of `noise` and of the donors of `shuffle`.

    Raises:
        UsageError: a value is not one of these.
    """

    kind: AblationKind = "zeros"
    layer: Literal["middle", "all"] | int = "middle"
    n_latents: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what can't be carried out."""
        _check("kind", self.kind in KINDS, ", ".join(KINDS), self.kind)
        _check("layer", _is_layer(self.layer), "middle, all, or a block counted from 0", self.layer)
        is_count = self.n_latents is None or self.n_latents >= 1
        _check("n_latents", is_count, "1 or more, or none for all", self.n_latents)

    @property
    def needs_reference(self) -> bool:
        """Whether states of reference problems have to be known."""
        return self.kind != "zeros"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as recorded with every result."""
        return {
            "kind": self.kind,
            "layer": self.layer,
            "n_latents": self.n_latents,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class CodiSettings:
    """How a CODI model is run, with and without its thoughts.

    A *slot* is a position at which the model thinks. With `paper`, the begin-of-thought token ends
    the question and each slot is fed a latent, as the paper's own code does. With `bot_in_slots`,
    that token is the first of the slots, so one latent fewer follows.

    Args:
        protocol: where the begin-of-thought token stands.
        n_latents: slots.
        max_new_tokens: most tokens of an answer. A trained model ends after about ten; an ablated
            one may ramble, which the paper's code lets go on for 256.
        ablation: what is done in the ablated run.

    Raises:
        UsageError: a value is out of range, or more slots are ablated than there are.
    """

    protocol: Protocol = "paper"
    n_latents: int = 6
    max_new_tokens: int = 64
    ablation: Ablation = field(default_factory=Ablation)

    def __post_init__(self) -> None:
        """Refuse what can't be carried out."""
        _check("protocol", self.protocol in PROTOCOLS, ", ".join(PROTOCOLS), self.protocol)
        _check("n_latents", self.n_latents >= 1, "1 or more", self.n_latents)
        _check("max_new_tokens", self.max_new_tokens >= 1, "1 or more", self.max_new_tokens)
        _check(
            "ablation.n_latents",
            self.n_ablated <= self.n_latents,
            f"at most n_latents = {self.n_latents}",
            self.ablation.n_latents,
        )

    @property
    def n_ablated(self) -> int:
        """How many slots are ablated, from the first."""
        chosen = self.ablation.n_latents
        return self.n_latents if chosen is None else chosen

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as recorded with every result."""
        return {
            "protocol": self.protocol,
            "n_latents": self.n_latents,
            "max_new_tokens": self.max_new_tokens,
            "ablation": self.ablation.as_dict(),
        }


def _is_layer(layer: object) -> bool:
    """Whether it names a block; `True` is 1 to Python, but no block."""
    if isinstance(layer, int) and not isinstance(layer, bool):
        return layer >= 0
    return layer in NAMED_LAYERS


def _check(name: str, is_right: bool, expected: str, got: object) -> None:
    """Raise the one error for a setting that is out of range."""
    if not is_right:
        raise UsageError(
            "A setting of CODI is out of range",
            where=name,
            expected=expected,
            got=str(got),
            fix=f"correct `{name}`",
        )

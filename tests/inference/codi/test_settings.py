"""What can't be carried out is refused where it is written; records are plain and cheap."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from quarry.errors import UsageError
from quarry.inference.codi.settings import Ablation, CodiSettings

RECORDS_ALONE = """
import sys
import quarry.inference.codi
import quarry.inference.codi.comparison
import quarry.inference.codi.settings
print(sorted({"torch", "transformers", "numpy"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "ones"),
        ("layer", "last"),
        ("layer", -1),
        ("layer", True),
        ("n_latents", 0),
    ],
)
def test_an_ablation_that_does_not_exist_is_refused(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=name):
        Ablation(**{name: value})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("name", "value"),
    [("protocol", "thesis"), ("n_latents", 0), ("max_new_tokens", 0)],
)
def test_a_setting_out_of_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=name):
        CodiSettings(**{name: value})  # pyright: ignore[reportArgumentType]


def test_no_more_slots_are_ablated_than_there_are() -> None:
    assert CodiSettings(n_latents=3, ablation=Ablation(n_latents=3)).n_ablated == 3
    with pytest.raises(UsageError, match="at most n_latents = 3"):
        CodiSettings(n_latents=3, ablation=Ablation(n_latents=4))


def test_all_slots_are_ablated_unless_told_otherwise() -> None:
    assert CodiSettings(n_latents=4).n_ablated == 4


def test_what_is_recorded_tells_all_settings_apart() -> None:
    usual: dict[str, Any] = CodiSettings().as_dict()
    assert json.loads(json.dumps(usual)) == usual
    others = [
        CodiSettings(protocol="bot_in_slots"),
        CodiSettings(n_latents=5),
        CodiSettings(max_new_tokens=9),
        CodiSettings(ablation=Ablation(kind="mean")),
        CodiSettings(ablation=Ablation(layer=0)),
        CodiSettings(ablation=Ablation(n_latents=2)),
        CodiSettings(ablation=Ablation(seed=1)),
    ]
    recorded = {json.dumps(one.as_dict()) for one in [CodiSettings(), *others]}
    assert len(recorded) == len(others) + 1


def test_the_records_need_no_heavy_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RECORDS_ALONE], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

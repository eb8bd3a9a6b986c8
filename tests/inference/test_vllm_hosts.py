"""How much memory is tried after a lack of it; no process is started for that."""

from __future__ import annotations

import pytest

from quarry.errors import CacheTooSmallError, EngineMemoryError
from quarry.inference.host.settings import HostSettings
from quarry.inference.usage_meter import UsageMeter
from quarry.inference.vllm_hosts import HostSupply


def supply(meter: UsageMeter) -> HostSupply:
    start = HostSettings(
        source="model",
        revision=None,
        dtype="bfloat16",
        context_length=4096,
        batch_size=64,
        layers=(),
        devices=("cuda:0",),
        memory_share=0.9,
        cpu_cache_bytes=1 << 30,
    )
    return HostSupply(start, python="", keep_open=(), spool_bytes=1 << 20, meter=meter)


def lack(share: float, *, most: float, least: float) -> EngineMemoryError | None:
    """What vLLM says on a GPU where this share is too much or too little."""
    if most < share:
        return EngineMemoryError("out of memory", where="", expected="", got="", fix="")
    if share < least:
        return CacheTooSmallError("no cache", where="", expected="", got="", fix="")
    return None


def shrink_until_it_fits(hosts: HostSupply, *, most: float, least: float) -> None:
    while error := lack(hosts.settings.memory_share, most=most, least=least):
        hosts.shrink(error)


@pytest.mark.parametrize("most", [0.5, 0.7, 0.85])
def test_a_model_that_takes_more_than_half_of_a_gpu_goes_on_where_it_fits(most: float) -> None:
    meter = UsageMeter()
    hosts = supply(meter)
    shrink_until_it_fits(hosts, most=most, least=most - 0.1)
    assert most - 0.1 <= hosts.settings.memory_share <= most
    assert 1 <= hosts.settings.batch_size < 64
    assert len(meter.reading().remarks) <= 4


def test_where_nothing_fits_it_ends() -> None:
    meter = UsageMeter()
    hosts = supply(meter)
    with pytest.raises(EngineMemoryError, match="ran out of memory"):
        shrink_until_it_fits(hosts, most=0.7, least=0.71)
    assert len(meter.reading().remarks) <= 5


def test_too_small_a_cache_at_the_start_is_said_at_once() -> None:
    error = CacheTooSmallError("no cache", where="", expected="", got="", fix="")
    with pytest.raises(CacheTooSmallError):
        supply(UsageMeter()).shrink(error)

"""Which devices there are, by a driver asked through a real process, and which are meant."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarry.errors import UsageError
from quarry.inference.devices import (
    Device,
    candidates,
    cpu,
    machine_devices,
    parse_devices,
    visible_gpus,
)
from quarry.inference.nvidia import Gpu, installed_gpus, parse_answer

FIRST, SECOND, THIRD = (f"GPU-{digit * 8}-0000-0000-0000-00000000000{digit}" for digit in "123")
ANSWER = f"0, {FIRST}, NVIDIA H200, 143771\n1, {SECOND}, NVIDIA H200, 143771\n"
GPUS = [
    Gpu(0, FIRST, "NVIDIA H200", 143771 << 20),
    Gpu(1, SECOND, "NVIDIA H200", 143771 << 20),
]
THREE = [*GPUS, Gpu(2, THIRD, "NVIDIA A100", 81920 << 20)]
CPU = cpu()
DEVICES = [Device("cuda:0", FIRST), Device("cuda:1", SECOND), CPU]
WHERE = "inference.devices"


def driver(folder: Path, body: str) -> dict[str, str]:
    """Variables of a machine whose `nvidia-smi` is a shell script."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def printing(folder: Path, text: str, **variables: str) -> dict[str, str]:
    (folder / "answer").write_text(text)
    return driver(folder, f"cat {folder / 'answer'}") | variables


def names(devices: tuple[Device, ...]) -> list[str]:
    return [device.name for device in devices]


def test_the_driver_is_asked(tmp_path: Path) -> None:
    devices = machine_devices(printing(tmp_path, ANSWER))
    assert devices == (
        Device("cuda:0", FIRST, "NVIDIA H200", 143771 << 20),
        Device("cuda:1", SECOND, "NVIDIA H200", 143771 << 20),
        CPU,
    )
    assert [device.kind for device in devices] == ["cuda", "cuda", "cpu"]
    assert str(devices[0]) == "cuda:0 (NVIDIA H200)"


def test_it_is_asked_for_what_is_parsed(tmp_path: Path) -> None:
    installed_gpus(driver(tmp_path, f'echo "$@" > {tmp_path / "asked"}'))
    asked = (tmp_path / "asked").read_text()
    assert asked == ("--query-gpu=index,uuid,name,memory.total --format=csv,noheader,nounits\n")


@pytest.mark.parametrize("body", ["exit 9", "echo 'no driver' >&2; exit 1", r"printf '\377\n'"])
def test_a_driver_that_fails_leaves_its_files(tmp_path: Path, body: str) -> None:
    files = tmp_path / "gpus"
    for number, bus in enumerate(["0000:41:00.0", "0000:c1:00.0"]):
        (files / bus).mkdir(parents=True)
        (files / bus / "information").write_text(
            f"Model: \t\t NVIDIA H200\nIRQ:   \t\t 55\nGPU UUID: \t {GPUS[number].uuid}\n"
            f"Bus Location: \t {bus}\nDevice Minor: \t {number}\n"
        )
    found = installed_gpus(driver(tmp_path, body), driver_files=files)
    assert found == [Gpu(0, FIRST, "NVIDIA H200"), Gpu(1, SECOND, "NVIDIA H200")]


def test_without_a_driver_there_is_the_cpu_alone(tmp_path: Path) -> None:
    assert installed_gpus({"PATH": str(tmp_path)}, driver_files=tmp_path / "none") == []


def test_a_driver_that_has_not_looked_yet_gives_no_name_to_lease_by(tmp_path: Path) -> None:
    [folder] = [tmp_path / "gpus" / "0000:41:00.0"]
    folder.mkdir(parents=True)
    (folder / "information").write_text("Model: Unknown\nGPU UUID: GPU-????????-????-????\n")
    found = installed_gpus({"PATH": ""}, driver_files=tmp_path / "gpus")
    assert [gpu.uuid for gpu in found] == [""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("No devices were found\n", []),
        ("NVIDIA-SMI has failed because it couldn't communicate, with, the, driver\n", []),
        (f"1, {SECOND}, NVIDIA H200, 143771\n\n0, {FIRST}, NVIDIA H200, 143771\n", GPUS),
        (f"0, {FIRST}, [Unknown Error], [N/A]\n", [Gpu(0, FIRST)]),
        ("0, [N/A], NVIDIA GH200, 97871\n", [Gpu(0, "", "NVIDIA GH200", 97871 << 20)]),
        (f"warning: x\n0, {FIRST}, NVIDIA H200, 1\n", [Gpu(0, FIRST, "NVIDIA H200", 1 << 20)]),
    ],
)
def test_answers_are_read_with_care(text: str, expected: list[Gpu]) -> None:
    assert parse_answer(text) == expected


@given(st.text())
def test_no_answer_is_an_error(text: str) -> None:
    assert all(gpu.index >= 0 and gpu.memory_bytes >= 0 for gpu in parse_answer(text))


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1", [1]),
        ("2,0", [2, 0]),
        (" 2 , 0 ", [2, 0]),
        ("0,7,1", [0]),
        ("1,1", [1]),
        (SECOND, [1]),
        (f"{THIRD},{FIRST}", [2, 0]),
        ("GPU-22222222", [1]),
        ("GPU-", []),
        ("0,GPU-9", [0]),
    ],
)
def test_what_is_visible_is_what_cuda_shows(visible: str | None, expected: list[int]) -> None:
    assert [gpu.index for gpu in visible_gpus(THREE, visible)] == expected


def test_a_slice_of_a_gpu_is_a_device_of_its_own() -> None:
    [shown] = visible_gpus(GPUS, "MIG-5c6a")
    assert shown.uuid == "MIG-5c6a"


def test_processes_that_see_different_gpus_agree_about_each(tmp_path: Path) -> None:
    every = machine_devices(printing(tmp_path, ANSWER))
    second = machine_devices(printing(tmp_path, ANSWER, CUDA_VISIBLE_DEVICES="1"))
    named = machine_devices(printing(tmp_path, ANSWER, CUDA_VISIBLE_DEVICES=SECOND))
    assert names(second) == names(named) == ["cuda:0", "cpu"]
    assert every[1].key == second[0].key == named[0].key


def test_a_gpu_without_a_uuid_is_known_by_its_place(tmp_path: Path) -> None:
    text = "0, [N/A], NVIDIA GH200, 97871\n1, [N/A], NVIDIA GH200, 97871\n"
    [first, _] = machine_devices(printing(tmp_path, text, CUDA_VISIBLE_DEVICES="1"))
    assert (first.name, first.key) == ("cuda:0", "cuda-1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", "auto"),
        (" Auto ", "auto"),
        ("", "auto"),
        ("cpu", ("cpu",)),
        ("cuda", ("cuda",)),
        ("cuda:1, cuda:0", ("cuda:1", "cuda:0")),
    ],
)
def test_settings_are_read(text: str, expected: object) -> None:
    assert parse_devices(text) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("auto", ["cuda:0", "cuda:1"]),
        (("cuda",), ["cuda:0", "cuda:1"]),
        (("cuda:1",), ["cuda:1"]),
        (("cuda:1", "cuda:0"), ["cuda:1", "cuda:0"]),
        (("cuda:1", "cuda"), ["cuda:1", "cuda:0"]),
        (("cpu",), ["cpu"]),
    ],
)
def test_candidates_come_in_the_order_asked(asked: str | tuple[str, ...], expected: list[str]):
    assert names(candidates(asked, DEVICES, where=WHERE)) == expected  # pyright: ignore[reportArgumentType]


def test_auto_is_the_cpu_where_there_is_no_gpu() -> None:
    assert names(candidates("auto", [CPU], where=WHERE)) == ["cpu"]


@pytest.mark.parametrize("name", ["cuda:2", "cuda:0", "cuda", "tpu", "cuda:x"])
def test_a_device_that_is_not_there_is_named_with_those_that_are(name: str) -> None:
    devices = DEVICES if name == "cuda:2" else [CPU]
    with pytest.raises(UsageError, match=WHERE) as caught:
        candidates((name,), devices, where=WHERE)
    assert caught.value.got == name
    assert "cpu" in str(caught.value.expected)


def test_no_devices_at_all_are_refused() -> None:
    with pytest.raises(UsageError):
        candidates((), DEVICES, where=WHERE)


def test_devices_are_told_without_torch() -> None:
    code = (
        "import sys; from quarry.inference.devices import machine_devices; "
        "assert machine_devices()[-1].name == 'cpu'; "
        "import quarry.inference.leasing; "
        "print({'torch', 'transformers', 'vllm'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == "set()\n"

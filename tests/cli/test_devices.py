"""`quarry devices`: what there is and who has it."""

import json
import os
from pathlib import Path

from quarry.inference.devices import Device, cpu
from quarry.inference.lease import take_lease
from quarry.inference.lease_file import Holder


def lease(folder: Path, *devices: Device, work: str = "demo_base"):
    return take_lease(
        devices,
        len(devices),
        folder,
        holder=Holder.me(work, "0123456789"),
        wait_s=0,
        log=lambda _: None,
    )


def test_a_device_is_free_until_it_is_leased(cli, tmp_path):
    free = json.loads(cli("devices", "--json", "--lease-dir", tmp_path).stdout)
    with lease(tmp_path, cpu()):
        held = json.loads(cli("devices", "--json", QUARRY_LEASE_DIR=str(tmp_path)).stdout)
    assert free["lease_dir"] == held["lease_dir"] == str(tmp_path)
    before, after = free["devices"][-1], held["devices"][-1]
    assert before == {
        "name": "cpu",
        "model": f"{os.cpu_count()} cores",
        "memory_bytes": cpu().memory_bytes,
        "key": "cpu",
        "lease": str(tmp_path / "cpu.lock"),
        "is_free": True,
        "holder": None,
    }
    assert after["is_free"] is False
    assert after["holder"]["pid"] == os.getpid()
    assert after["holder"]["run_id"] == "0123456789"
    assert after["holder"]["has_ended"] is False


def test_people_get_a_table(cli, tmp_path):
    # what a stranger wrote into a lock file must not drive the terminal
    with lease(tmp_path, cpu(), Device("cuda:7", "GPU-7"), work="sly\x1b[31m"):
        done = cli("devices", "--lease-dir", tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert f"held by process {os.getpid()} since " in done.stdout
    assert "run 01234567: sly" in done.stdout
    assert "not seen here: GPU-7" in done.stdout
    assert "\x1b" not in done.stdout
    assert f"leases: {tmp_path}\n" in done.stdout


def test_a_folder_that_is_not_there_is_not_made(cli, tmp_path):
    done = cli("devices", "--lease-dir", tmp_path / "none")
    assert "| free" in done.stdout
    assert not (tmp_path / "none").exists()

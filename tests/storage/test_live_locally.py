"""The live tests themselves work: here they run against the test server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.b2_server import B2Server

ROOT = Path(__file__).resolve().parents[2]
LIVE = "tests/storage/test_live.py"


def test_the_live_tests_pass_here_and_leave_nothing() -> None:
    with B2Server() as server:
        given = {
            "QUARRY_LIVE_B2_KEY_ID": server.key_id,
            "QUARRY_LIVE_B2_KEY": server.key,
            "QUARRY_LIVE_B2_BUCKET": server.bucket,
            "QUARRY_LIVE_B2_REALM": server.url,
        }
        done = run_live({**os.environ, **given})
        assert done.returncode == 0, done.stdout[-3000:]
        assert "skipped" not in done.stdout
        assert server.versions() == []
        refused = {each.operation for each in server.requests if each.status == 403}
        assert refused >= {"upload_file", "upload_part"}
        assert server.count("upload_*", status=503) > 0
        assert server.count("*", status=401) > 0


def test_without_a_bucket_they_say_why_they_are_skipped() -> None:
    kept = {name: value for name, value in os.environ.items() if "QUARRY_LIVE" not in name}
    done = run_live(kept, "-rs", "-k", "modes or Modes")
    assert done.returncode == 0, done.stdout
    assert "no scratch bucket: set QUARRY_LIVE_B2_KEY_ID" in done.stdout


def run_live(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", LIVE, "-p", "no:cacheprovider", "-p", "no:xdist"]
    plain = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [*command, *options], cwd=ROOT, env=plain, capture_output=True, text=True, check=False
    )

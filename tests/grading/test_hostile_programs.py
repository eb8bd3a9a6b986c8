"""No program passes but by returning what the tests expect, and none outlives its grade."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml

from quarry.grading.grader import grade
from quarry.grading.verdict import Verdict
from quarry.samples import Sample
from quarry.sandbox.limits import Limits
from tests.grading.code_problems import GOLDEN

SHORT = Limits(timeout_s=1.0, memory_bytes=256 << 20)
ADD = Sample(
    "humaneval/test/0",
    'def add(a, b):\n    """Add."""\n',
    "    return a + b\n",
    (),
    {
        "entry_point": "add",
        "test": "def check(candidate):\n    assert [candidate(1, 2), candidate(2, 2)] == [3, 4]\n",
    },
)
PROGRAMS = yaml.safe_load((GOLDEN / "hostile.yaml").read_text(encoding="utf-8"))
FAILS: dict[str, str] = PROGRAMS["incorrect"]
HANGS: dict[str, str] = PROGRAMS["timeout"]


def left_processes() -> list[str]:
    """Command lines of running interpreters that execute the runner or sleep for a program."""
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "grading/runner.py" in line or "sleep 60" in line:
            found.append(line)
    return found


@pytest.fixture
def no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary directories of programs lie below this one."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.mark.parametrize("name", FAILS)
def test_a_hostile_program_is_incorrect(name: str, no_trace: Path) -> None:
    result = grade(ADD, "humaneval", FAILS[name], limits=SHORT)
    assert result.verdict is Verdict.INCORRECT, result.evidence
    assert result.evidence["exception"]
    assert list(no_trace.iterdir()) == []


@pytest.mark.parametrize("name", HANGS)
def test_a_program_that_does_not_end_is_a_timeout(name: str, no_trace: Path) -> None:
    result = grade(ADD, "humaneval", HANGS[name], limits=SHORT)
    assert result.verdict is Verdict.TIMEOUT, result.evidence
    assert result.evidence["wall_s"] < 4.0
    assert list(no_trace.iterdir()) == []


def test_a_program_changes_nothing_outside_of_its_directory(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("alive")
    for line in (f"open({str(canary)!r}, 'w')", f"__import__('os').remove({str(canary)!r})"):
        result = grade(ADD, "humaneval", f"    {line}\n    return a + b\n", limits=SHORT)
        assert result.verdict is Verdict.INCORRECT
        assert result.evidence["exception"] == "PermissionError"
    assert canary.read_text() == "alive"


def test_a_program_sees_no_environment_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_SECRET", "hunter2")
    body = "    import os\n    assert 'CANARY_SECRET' not in os.environ, 'seen'\n    return a + b\n"
    assert grade(ADD, "humaneval", body, limits=SHORT).verdict is Verdict.CORRECT


@pytest.mark.parametrize(
    "path", ["f'/proc/{os.getppid()}/environ'", "f'/proc/self/../{os.getppid()}/cmdline'"]
)
def test_a_program_can_not_read_what_its_grader_was_given(path: str) -> None:
    body = f"    import os\n    raise ValueError(open({path}).read())\n"
    result = grade(ADD, "humaneval", body, limits=SHORT)
    assert result.evidence["exception"] == "PermissionError"


def test_a_program_may_read_of_itself() -> None:
    body = "    open('/proc/self/status').close()\n    return a + b\n"
    assert grade(ADD, "humaneval", body, limits=SHORT).verdict is Verdict.CORRECT


def test_an_honest_program_may_use_files_of_its_own() -> None:
    body = "    with open('f', 'w') as f:\n        f.write('x')\n    return a + b\n"
    assert grade(ADD, "humaneval", body, limits=SHORT).verdict is Verdict.CORRECT


def test_hostile_programs_leave_no_process_and_no_descriptor() -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("thread bomb", "fork", "subprocess", "system", "closed reports"):
        grade(ADD, "humaneval", FAILS[name], limits=SHORT)
    assert grade(ADD, "humaneval", HANGS["busy loop"], limits=SHORT).verdict is Verdict.TIMEOUT
    ours = [line for line in left_processes() if "sleep 60" in line]
    assert not ours
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors

"""A place to follow the guide in: a copy of the working tree with an environment that is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.guide.pages import ROOT
from tests.guide.substitutions import ENVIRONMENT

_KEPT = ("PATH", "LANG", "TMPDIR", "SSL_CERT_FILE")
_LEFT_OUT = ("tests/", "bench/")


def copy_tree(folder: Path) -> Path:
    """The tracked and the new files of this checkout, in `folder/quarry`."""
    target = folder / "quarry"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(_LEFT_OUT):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    _share_environment(target)
    return target


def _share_environment(target: Path) -> None:
    """A `.venv` that `make setup` takes for finished; all parts are this interpreter's own."""
    venv = target / ".venv"
    venv.mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name != ".installed":
            (venv / part.name).symlink_to(part)
    for name in ("pyproject.toml", "constraints.txt"):
        os.utime(target / name, (0, 0))
    (venv / ".installed").touch()


def environment(folder: Path) -> dict[str, str]:
    """What a new user's terminal has, and what a test adds to it."""
    home = folder / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        **ENVIRONMENT,
        "HOME": str(home),
        "PYTHONPATH": str(folder / "quarry"),  # the copy's code, whatever is installed
        "QUARRY_LEASE_DIR": str(folder / "leases"),
    }

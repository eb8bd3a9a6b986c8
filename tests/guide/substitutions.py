"""What the guide says and a test can't do literally: what it does instead, and why.

Everything else in the guide's blocks is run as it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Substitution:
    """One command that runs against a stand-in.

    Args:
        command: matches the whole command, remarks left out.
        instead: what is run; names in braces are filled in by the place.
        reason: why.
    """

    command: str
    instead: str
    reason: str

    def matches(self, command: str) -> bool:
        """Whether a command is the one that is meant."""
        return re.fullmatch(self.command, command) is not None


SUBSTITUTIONS = (
    Substitution(
        r"git clone <this repository> quarry",
        "test -f quarry/Makefile",
        "no network: a copy of this working tree is there already; `make setup` finds its "
        "environment installed, since installing it again would change the one that runs the tests",
    ),
    Substitution(
        r"export QUARRY_B2_KEY_ID=<keyID>",
        "export QUARRY_B2_KEY_ID={key_id} QUARRY_B2_REALM={realm}",
        "a server of B2's native API on this machine, which answers as the real one does",
    ),
    Substitution(
        r"export QUARRY_B2_KEY=<applicationKey>",
        "export QUARRY_B2_KEY={key}",
        "its key",
    ),
    Substitution(
        r'pip install -c constraints\.txt -e "\.\[vllm\]"',
        "pip --version",
        "gigabytes, and it would change the environment that runs the tests; "
        "`make test-vllm` starts a real vLLM",
    ),
    Substitution(r"nvidia-smi", "true", "there is no GPU where tests run"),
    Substitution(
        r"ssh -N -L 3000:127\.0\.0\.1:3000 user@gpu-machine", "true", "there is no second machine"
    ),
)

MAKE_UI = "make ui"
"""Runs beside the page on a free port, is awaited by HTTP and ended behind the page."""

ENVIRONMENT = {
    "QUARRY_DEVICE": "cpu",  # the same cells on machines with a GPU
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",  # what is printed comes in the order in which it is
    "COLUMNS": "200",
    "NO_COLOR": "1",
    "HF_HUB_OFFLINE": "1",
}


def instead_of(command: str) -> str:
    """What is run for a command: mostly itself."""
    bare = command.partition("  #")[0].strip()
    found = [one for one in SUBSTITUTIONS if one.matches(bare)]
    return found[0].instead if found else command

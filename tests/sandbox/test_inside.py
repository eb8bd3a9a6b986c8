"""The inside packages: what they may import, and how they are started."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from quarry.sandbox.start import inside_command

ROOT = Path(__file__).parents[2]
INSIDE = {"quarry.sandbox.inside", "quarry.grading.examiner"}
FILES = [
    file for package in sorted(INSIDE) for file in (ROOT / package.replace(".", "/")).glob("*.py")
]


def imported_by(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} imports relatively"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_an_inside_module_imports_the_standard_library_and_its_own_kind(file: Path):
    for name in imported_by(file):
        is_own = any(f"{name}.".startswith(f"{package}.") for package in INSIDE)
        is_numpy = name == "numpy"  # of arrays that come as arguments, imported where it is there
        assert is_own or is_numpy or name.split(".")[0] in sys.stdlib_module_names, name


@pytest.mark.parametrize("package", sorted(INSIDE))
def test_the_first_file_of_an_inside_package_does_nothing(package: str):
    body = ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text()).body
    assert [type(node) for node in body] in ([], [ast.Expr])


def test_modules_start_without_quarry_being_imported():
    command = inside_command("quarry.sandbox.inside.no_such_module")
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "No module named 'quarry.sandbox.inside.no_such_module'" in failed.stderr
    # the same start with a look at what it imports
    look = [command[0], "-X", "importtime", *command[1:-1], "quarry.sandbox.inside.zygote", "{}"]
    done = subprocess.run(look, capture_output=True, text=True, check=False)
    assert "quarry.sandbox.inside.confinement" in done.stderr
    assert "quarry.errors" not in done.stderr
    assert "site-packages" not in done.stderr


@pytest.mark.parametrize("module", ["zygote", "zygote_client"])
def test_what_forks_for_each_program_does_not_import_threading(module: str):
    """Its handlers run in each child, which doubled what a fork costs."""
    look = (
        "import sys\n"
        f"import quarry.sandbox.inside.{module}\n"
        "from quarry.sandbox.inside.prepared_modules import import_prepared\n"
        "import_prepared()\n"
        "print('threading' in sys.modules)"
    )
    command = [sys.executable, "-S", "-c", look]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

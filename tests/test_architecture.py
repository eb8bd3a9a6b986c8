"""The house rules that a tool can check: where names resolve, what may be imported."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["quarry", "assets", "resources", "io_managers", "sensors", "commands"]

IMPORT_ALL_WITHOUT_DAGSTER = """
import importlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0].startswith("dagster"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
import quarry
names = [m.name for m in pkgutil.walk_packages(quarry.__path__, "quarry.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""

LOAD_DEFINITIONS = """
import sys
import definitions
heavy = {"torch", "transformers", "vllm", "datasets", "matplotlib", "b2sdk"} & set(sys.modules)
print(sorted(heavy))
"""


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_top_level_names_resolve_inside_the_repository(package: str):
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


def test_the_whole_core_imports_with_dagster_blocked():
    assert int(run_python(IMPORT_ALL_WITHOUT_DAGSTER)) > 40


def test_loading_definitions_imports_no_heavy_library():
    assert run_python(LOAD_DEFINITIONS) == "[]"


def python_files() -> list[Path]:
    folders = [*PACKAGES, "tests", "bench"]
    return [
        *(file for folder in folders for file in (ROOT / folder).rglob("*.py")),
        *ROOT.glob("*.py"),
    ]


def test_no_file_is_longer_than_300_lines():
    long = {
        str(file.relative_to(ROOT)): lines
        for file in python_files()
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert long == {}


def test_no_module_is_called_utils_or_helpers():
    banned = re.compile(r"^(utils?|helpers?|common|misc)$")
    assert [file for file in python_files() if banned.match(file.stem)] == []


def test_nothing_stored_is_a_pickle():
    pattern = re.compile(r"\bimport (pickle|joblib|dill)\b|pickle\.(load|dump)|allow_pickle=True")
    offenders = [
        file
        for file in python_files()
        if "tests" not in file.relative_to(ROOT).parts
        and pattern.search(file.read_text(encoding="utf-8"))
    ]
    assert offenders == []

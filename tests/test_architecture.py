"""The house rules that a tool can check: where names resolve, what may be imported."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vllm_environment import needs_vllm, vllm_python

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["quarry", "quarry_dagster", "assets", "resources", "io_managers", "sensors", "commands"]

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
    try:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name.split(".")[0] != "vllm":
            raise
        print(name)
print(len(names))
"""

# What runs inside vLLM's processes; in the vLLM environment nothing else of quarry may be needed.
IN_VLLM = {f"quarry.inference.host.{name}" for name in ("connector", "pump", "scheduler")}
KNOWN_IN_VLLM = ("quarry.inference.host.", "quarry.inference.stopping")
IMPORT_IN_VLLM = """
import importlib, sys

from transformers import AutoModelForCausalLM, AutoTokenizer

sys.path.append(sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
print(*sorted(name for name in sys.modules if name.startswith("quarry.")))
"""

LOAD_DEFINITIONS = """
import sys
import definitions
heavy = {"torch", "transformers", "vllm", "datasets", "matplotlib", "b2sdk"} & set(sys.modules)
print(sorted(heavy))
"""


def run_python(
    code: str, *arguments: str, python: str = sys.executable, folder: Path = ROOT
) -> str:
    done = subprocess.run(
        [python, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=False
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
    *without_vllm, n_modules = run_python(IMPORT_ALL_WITHOUT_DAGSTER).split()
    assert int(n_modules) > 40
    assert set(without_vllm) in (set(), IN_VLLM)


@needs_vllm
def test_what_runs_inside_vllm_imports_there_and_needs_no_more_of_the_core(tmp_path: Path):
    modules = [*sorted(IN_VLLM), "quarry.inference.host.main"]
    loaded = run_python(
        IMPORT_IN_VLLM, str(ROOT), *modules, python=vllm_python(), folder=tmp_path
    ).splitlines()[-1]
    assert set(modules) <= set(loaded.split())
    others = set(loaded.split()) - {"quarry.inference", "quarry.inference.host"}
    assert {name for name in others if not name.startswith(KNOWN_IN_VLLM)} == set()


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

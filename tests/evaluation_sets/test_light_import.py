"""`import quarry` stays light, and still offers the loader."""

import subprocess
import sys

import pytest

import quarry

HEAVY = ("torch", "transformers", "datasets", "pandas", "pyarrow", "numpy")


def test_the_loader_is_imported_only_when_it_is_asked_for():
    code = (
        "import sys, quarry; heavy = lambda: [m for m in "
        f"{HEAVY} if m in sys.modules]; print(heavy()); quarry.load_eval_dataset; "
        "print('quarry.evaluation_sets.loading' in sys.modules, 'datasets' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["[]", "True False"]


def test_every_name_that_the_package_promises_is_there():
    assert all(hasattr(quarry, name) for name in quarry.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        quarry.no_such_name  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018

"""Where a command finds the checkout, the catalog and the data, when the user does not say."""

from __future__ import annotations

import os
from pathlib import Path

from quarry.deployments import DEFAULT_CATALOGS, DEPLOYMENT_VARIABLE, require_deployment
from quarry.errors import UsageError

CATALOG_VARIABLE = "QUARRY_CATALOG"
DATA_DIR_VARIABLE = "QUARRY_DATA_DIR"
MIRROR_VARIABLES = ["QUARRY_BENCHMARK_MIRROR", "QUARRY_MIRROR"]
DEFAULT_DATA_DIR = ".quarry/<deployment>/data"
DEFAULT_CATALOG = ", ".join(f"{name}: {path}" for name, path in DEFAULT_CATALOGS.items())
"""For help texts."""


def find_checkout() -> Path | None:
    """The checkout that this package is installed from, else the one that we stand in."""
    installed_from = Path(__file__).resolve().parents[2]
    for folder in (installed_from, Path.cwd()):
        if all((folder / name).is_file() for name in ("workspace.yaml", "manage.py")):
            return folder
    return None


def require_checkout() -> Path:
    """The checkout.

    Raises:
        UsageError: there is none, as after an installation from a wheel.
    """
    folder = find_checkout()
    if folder is None:
        raise UsageError(
            "This command needs a checkout of quarry",
            where=str(Path.cwd()),
            expected="a directory with workspace.yaml and manage.py",
            got="neither here nor where the package is installed from",
            fix="clone the repository and call the command inside it",
        )
    return folder


def catalog_path(given: Path | None) -> Path:
    """The catalog file: as given, else the deployment's; where it is not here, the checkout's.

    Raises:
        UsageError: the environment names no deployment that there is.
    """
    return _here_or_in_checkout(given or Path(DEFAULT_CATALOGS[_deployment()]))


def own_data_directory() -> Path:
    """Where the platform keeps the data of the deployment that the environment names.

    Raises:
        UsageError: there is no such deployment.
    """
    return (find_checkout() or Path()) / ".quarry" / _deployment() / "data"


def data_directory(given: Path | None) -> Path:
    """The data directory: as given, else the platform's own.

    Raises:
        UsageError: it does not exist, or there is no such deployment.
    """
    folder = data_directory_to_fill(given)
    if not folder.is_dir():
        raise UsageError(
            "The data directory does not exist",
            where=str(folder),
            expected="the directory that holds trajectories/ and labels/",
            got="a file" if folder.exists() else "no such directory",
            fix="collect first (`quarry demo`), set QUARRY_DEPLOYMENT, or name it with --data-dir",
        )
    return folder


def data_directory_to_fill(given: Path | None) -> Path:
    """The same, which need not exist yet.

    Raises:
        UsageError: there is no such deployment.
    """
    return _here_or_in_checkout(given) if given else own_data_directory()


def _deployment() -> str:
    """The deployment that the environment names."""
    return require_deployment(os.environ.get(DEPLOYMENT_VARIABLE) or "demo")


def _here_or_in_checkout(path: Path) -> Path:
    """A relative path from here; from the checkout, as the platform reads it, if only that is."""
    checkout = find_checkout()
    in_checkout = (checkout or Path()) / path
    return in_checkout if in_checkout.exists() and not path.exists() else path

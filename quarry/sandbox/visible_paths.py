"""What of this machine a program may see: interpreter, standard library, shared libraries, numpy.

Nothing of a home directory beside the interpreter itself where it lives there, and nothing of
site-packages beside numpy. How it is made visible is a layer's affair.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quarry.errors import SandboxUnavailableError

INSIDE = Path(__file__).parent / "inside"

_PACKAGE_FOLDERS = ("site-packages", "dist-packages")
_DATA = ("/etc/ld.so.cache", "/etc/alternatives", "/usr/share/zoneinfo")


@dataclass(frozen=True)
class VisiblePaths:
    """What a program may read.

    Args:
        shown: files and directories, as they are on this machine.
        hidden: directories within them that are not meant.
        packages: name to path of what `sys.path` gets beside the standard library.
    """

    shown: tuple[str, ...]
    hidden: tuple[str, ...]
    packages: dict[str, str]

    def without_hidden(self) -> list[str]:
        """The same for a layer that can't hide: a directory around a hidden one by its entries."""
        paths = [*self.packages.values()]
        for shown in self.shown:
            hidden = {path for path in self.hidden if Path(path).parent == Path(shown)}
            if hidden:
                paths += [str(path) for path in Path(shown).iterdir() if str(path) not in hidden]
            else:
                paths.append(shown)
        return paths


def interpreter() -> str:
    """The interpreter that this one's virtual environment was made from, by its real path.

    Raises:
        SandboxUnavailableError: this interpreter does not know where it lies.
    """
    executable = getattr(sys, "_base_executable", "") or sys.executable
    if not executable:
        raise SandboxUnavailableError(
            "Programs can't be run in an interpreter of their own",
            where="sys.executable",
            expected="the path of a Python interpreter",
            got="nothing: Python is embedded in another program",
            fix="grade with the command `quarry grade`, or from python itself",
        )
    return os.path.realpath(executable)


@functools.cache
def visible_paths() -> VisiblePaths:
    """What of this machine a program may see; looked up once.

    Raises:
        SandboxUnavailableError: see `interpreter`.
    """
    standard_library = sysconfig.get_path("stdlib")
    shown = [interpreter(), standard_library, *_library_directories(), *_DATA, str(INSIDE)]
    known = [path for path in shown if Path(path).exists()]
    known += _own_libraries(known)
    for folder in filter(None, library_path().split(":")):
        known += map(str, _libpythons(folder))
    hidden = [f"{standard_library}/{name}" for name in _PACKAGE_FOLDERS]
    return VisiblePaths(
        tuple(dict.fromkeys(known)),
        tuple(path for path in hidden if Path(path).is_dir()),
        _numpy(),
    )


def _library_directories() -> Iterable[str]:
    """Where the system's shared libraries lie."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    of_this_processor = [f"/lib/{multiarch}", f"/usr/lib/{multiarch}"] if multiarch else []
    found = [path for path in of_this_processor if Path(path).is_dir()]
    return ["/lib64", "/usr/lib64", *(found or ["/lib", "/usr/lib"])]


def _own_libraries(known: Iterable[str]) -> list[str]:
    """Shared libraries that came with the interpreter: libpython, and what conda keeps there."""
    folder = Path(sys.base_prefix) / "lib"
    if str(folder) in known:
        return []
    return sorted(str(path) for path in folder.glob("*.so*") if path.is_file())


def library_path() -> str:
    """What of LD_LIBRARY_PATH the interpreter itself needs: where its own library lies."""
    folders = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return ":".join(folder for folder in folders if folder and any(_libpythons(folder)))


def _libpythons(folder: str) -> Iterable[Path]:
    return Path(folder).glob("libpython*.so*")


def _numpy() -> dict[str, str]:
    """Where numpy lies, which the official harnesses have, too; with its wheel's libraries."""
    spec = importlib.util.find_spec("numpy")
    if spec is None or not spec.origin:
        return {}
    package = Path(spec.origin).parent
    beside = [package, package.with_name("numpy.libs")]
    return {path.name: str(path) for path in beside if path.is_dir()}

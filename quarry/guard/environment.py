"""Which environment variables reach a child that reads unproven files: those that it needs.

An interpreter, numpy and HDF5 need few, and none of them is a secret. Keys of an object store or of
an API stay with the caller, whatever they are called.
"""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = frozenset(
    {
        "GLIBC_TUNABLES",
        "HOME",
        "LANG",
        "LANGUAGE",
        "PATH",
        "SYSTEMROOT",
        "TEMP",
        "TMP",
        "TMPDIR",
        "TZ",
        "VIRTUAL_ENV",
    }
)
_PREFIXES = (
    "BLIS_",
    "COVERAGE_",
    "DYLD_",
    "HDF5_",
    "LC_",
    "LD_",
    "MALLOC_",
    "MKL_",
    "OMP_",
    "OPENBLAS_",
    "PYTHON",
)


def needed(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment that a child gets.

    Args:
        environment: the caller's, by name.
    """
    return {
        name: value
        for name, value in environment.items()
        if name in _NAMES or name.startswith(_PREFIXES)
    }

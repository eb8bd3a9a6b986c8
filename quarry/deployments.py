"""Which deployments there are, and which catalog each has by default.

What a deployment's resources are is wired in `definitions.py`.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from quarry.errors import UsageError

DEPLOYMENT_VARIABLE = "QUARRY_DEPLOYMENT"
DEFAULT_CATALOGS = {
    "demo": PurePosixPath("catalog/demo.yaml"),
    "local": PurePosixPath("catalog/olmo3.yaml"),
}
"""Below the checkout."""


def require_deployment(name: str) -> str:
    """A deployment's name; a misspelt one would begin an empty grid in a folder of its own.

    Raises:
        UsageError: there is no such deployment.
    """
    if name in DEFAULT_CATALOGS:
        return name
    raise UsageError(
        "There is no such deployment",
        where=DEPLOYMENT_VARIABLE,
        expected=" or ".join(DEFAULT_CATALOGS),
        got=name,
        fix="correct the name; for another folder of data set QUARRY_DATA_DIR and DAGSTER_HOME",
    )

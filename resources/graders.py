"""Limits of code grading as a resource."""

from typing import cast, get_args

import dagster as dg

from quarry.errors import UsageError
from quarry.sandbox.limits import LayerChoice, Limits


class GraderResource(dg.ConfigurableResource):
    """How long and how large a graded program may grow, and how it is shut in.

    `timeout_s` is that of the official harnesses; `sandbox` is a `LayerChoice`.
    """

    timeout_s: float = 3.0
    memory_bytes: int = 1 << 30
    sandbox: str = "auto"

    def limits(self) -> Limits:
        """The limits as the graders take them.

        Raises:
            UsageError: there is no such layer, or a limit is too small.
        """
        layer = self.sandbox.strip().lower()
        if layer not in get_args(LayerChoice):
            raise UsageError(
                "A sandbox for graded programs does not exist",
                where="QUARRY_SANDBOX",
                expected=" or ".join(get_args(LayerChoice)),
                got=repr(self.sandbox),
                fix="correct the setting, or leave it unset",
            )
        return Limits(
            timeout_s=self.timeout_s, memory_bytes=self.memory_bytes, layer=cast(LayerChoice, layer)
        )

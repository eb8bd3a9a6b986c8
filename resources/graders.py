"""Limits of code grading as a resource."""

import dagster as dg

from quarry.sandbox.limits import Limits


class GraderResource(dg.ConfigurableResource):
    """How long and how large a graded program may grow."""

    timeout_s: float = 5.0
    memory_bytes: int = 1 << 30

    def limits(self) -> Limits:
        """The limits as the graders take them."""
        return Limits(timeout_s=self.timeout_s, memory_bytes=self.memory_bytes)

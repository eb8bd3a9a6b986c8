"""`AssetIdentity`: what an asset is called, where it is shown and how it is stored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import dagster as dg

Spends = Literal["gpu", "cpu", "money", "traffic"]
"""What making a partition uses most of: hours of a GPU, of a CPU, a grader's bill, bytes sent."""
Kept = Literal["raw", "derived", "copy", "observed"]
"""Whether it can be made again from what is kept: raw data can't without its cost."""


@dataclass(frozen=True)
class AssetIdentity:
    """What an asset is called, where it is shown and how it is stored.

    Args:
        name: asset key of one part, a plural noun.
        group: group in the UI.
        description: Markdown, shown on the asset's page.
        kinds: at most three icons.
        spends: what making it uses, a tag in the UI.
        kept: what it is among the data, a tag in the UI.
        code_version: raised when the code would make other content from the same input.
        io_manager_key: how the value is stored; None where the body publishes files itself.
        pool: concurrency pool that its steps wait for.
        automation: when automation asks for it; None for never.
        freshness: how old it may grow; for unpartitioned assets only.
    """

    name: str
    group: str
    description: str
    kinds: tuple[str, ...]
    spends: Spends
    kept: Kept
    code_version: str
    io_manager_key: str | None = None
    pool: str | None = None
    automation: dg.AutomationCondition | None = None
    freshness: dg.FreshnessPolicy | None = None

    @property
    def tags(self) -> dict[str, str]:
        """For filtering in the UI."""
        return {"spends": self.spends, "kept": self.kept}

    def asset(self, **arguments: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
        """`dg.asset` with this identity; `arguments` are partitions, dependencies and the like."""
        return dg.asset(
            name=self.name,
            group_name=self.group,
            description=self.description,
            kinds=set(self.kinds),
            code_version=self.code_version,
            io_manager_key=self.io_manager_key,
            pool=self.pool,
            tags=self.tags,
            automation_condition=self.automation,
            freshness_policy=self.freshness,
            **arguments,
        )

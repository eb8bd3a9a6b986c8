"""`AssetIdentity`: what an asset is called, where it is shown and how it is stored."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

OWNERS = ("team:research-data",)


@dataclass(frozen=True)
class AssetIdentity:
    """What an asset is called, where it is shown and how it is stored.

    Args:
        name: asset key of one part, a plural noun.
        group: group in the UI.
        description: Markdown, shown on the asset's page.
        kinds: at most three icons.
        code_version: raised when the code would make other content from the same input.
        io_manager_key: how the value is stored; None where the body publishes files itself.
        pool: concurrency pool that its steps wait for.
        tags: for filtering in the UI.
        automation: when automation asks for it; None for never.
        freshness: how old it may grow; for unpartitioned assets only.
    """

    name: str
    group: str
    description: str
    kinds: tuple[str, ...]
    code_version: str
    io_manager_key: str | None = None
    pool: str | None = None
    tags: dict[str, str] = field(default_factory=dict[str, str])
    automation: dg.AutomationCondition | None = None
    freshness: dg.FreshnessPolicy | None = None

    def asset(self, **arguments: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
        """`dg.asset` with this identity; `arguments` are partitions, dependencies and the like."""
        return dg.asset(
            name=self.name,
            group_name=self.group,
            description=self.description,
            kinds=set(self.kinds),
            code_version=self.code_version,
            owners=list(OWNERS),
            io_manager_key=self.io_manager_key,
            pool=self.pool,
            tags=self.tags,
            automation_condition=self.automation,
            freshness_policy=self.freshness,
            **arguments,
        )

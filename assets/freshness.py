"""How old an unpartitioned roll-up may grow before the UI says so.

Only roll-ups have a policy: Dagster looks at the last materialisation of *any* partition, so that
one fresh cell would hide twenty-three old ones. Cells age by version, not by the clock; checks on
versions stand for them (`labels_current`). Decision 13 has the table of groups.
"""

from datetime import timedelta

import dagster as dg

AUDIT_FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(days=2), fail_window=timedelta(days=8)
)
"""The audit: automation makes it daily; by hand, once a week keeps it from turning red."""

INVENTORY_FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(days=2), fail_window=timedelta(days=8)
)
"""The inventory of the object store: a listing a day. A copy that nobody has looked at for more
than a week counts as unknown."""

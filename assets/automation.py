"""When automation asks for an asset: one condition for each kind of asset.

A condition is attached to every asset whether or not automation is on; nothing is launched unless
one of the sensors in `sensors.automation` runs. Decision 13 says why they are as they are.

Each asks for a partition once for each reason. A reason is remembered until the partition was asked
for, so that one whose run failed or was stopped by a person is not asked for again by every tick.
"""

import dagster as dg

from assets.partition_conditions import IsAdopted, IsStale

Condition = dg.AutomationCondition

AUDIT_AT_MOST = "0 * * * *"
"""After a change, the audit is made once between two full hours at most."""
AUDIT_AT_LEAST = "30 6 * * *"
"""Without any change the audit is made once a day, after the nightly scrub."""

_REQUESTED = Condition.newly_requested()
_MISSING = Condition.missing()
_IDLE = ~Condition.in_progress() & ~Condition.any_deps_in_progress()
_MISSING_ONCE = _MISSING & _MISSING.newly_true().since(_REQUESTED).with_label("not asked for yet")

_DEPS_THERE = ~Condition.any_deps_match(Condition.missing()).allow(dg.AssetSelection.all())
"""What the platform makes itself is there; models from elsewhere need no materialisation.

A dependency that is only being asked for in the same tick does not count, since samples and
checkpoints have other partitions and so other runs.
"""

MISSING = (_MISSING_ONCE & _IDLE & ~Condition.execution_failed()).with_label("missing")
"""Samples and checkpoints: what is missing, once."""

COLLECT = (
    _MISSING_ONCE
    & _IDLE
    & ~Condition.execution_failed()
    & _DEPS_THERE.with_label("samples and checkpoint are there")
    & Condition.all_deps_blocking_checks_passed()
).with_label("missing cell")
"""Trajectories: every missing cell once. A cell that failed, or that rotted, is not missing."""

_NEEDED = (_MISSING | IsStale()).with_label("missing or stale")
_REASON = (
    _MISSING.newly_true()
    | IsStale().newly_true()
    | Condition.code_version_changed()
    | Condition.any_deps_updated()
).with_label("a new reason")

FOLLOW = (
    _NEEDED
    & _REASON.since(_REQUESTED & ~_REASON).with_label("not asked for yet")
    & _IDLE
    & ~Condition.any_deps_missing()
    & ~Condition.any_deps_match(IsAdopted())
    & Condition.all_deps_blocking_checks_passed()
).with_label("missing or stale, from intact data")
"""Labels and their views: made from intact data that is there, and made again when out of date.

Out of date is what another grader version made, or what was made from other data. A reason that
comes while a request is under way is kept.
"""

FOLLOW_CURRENT = (FOLLOW & ~Condition.any_deps_match(IsStale())).with_label(
    "missing or stale, from current data"
)
"""Evaluation sets: as `FOLLOW`, but a rubric that has changed is waited for by what it decides."""

_CHANGED = Condition.any_deps_match(
    Condition.newly_updated() | Condition.any_checks_match(Condition.newly_updated())
)
_AUDIT_REASON = (_MISSING.newly_true() | IsStale().newly_true() | _CHANGED).with_label("changed")

AUDIT = (
    (
        (
            _AUDIT_REASON.since(_REQUESTED & ~_AUDIT_REASON)
            & Condition.cron_tick_passed(AUDIT_AT_MOST).since(_REQUESTED)
        ).with_label("changed, for the first time in this hour")
        | Condition.cron_tick_passed(AUDIT_AT_LEAST)
        .since(_REQUESTED)
        .with_label("a new day has come")
    )
    & ~Condition.in_progress()
).with_label("changed, or a day old")
"""The audit: after a file, a label or a verdict changed, at most hourly; at least once a day."""

"""What the pages of second copies and of the object store show."""

from typing import Any, get_args

import dagster as dg

from quarry.healing.restoring import Restoration
from quarry.storage.inventory import Entry, Inventory, State
from quarry.storage.keeping import KeptCopy
from quarry.storage.reconciliation import Reconciliation

MOST_SHOWN = 200
"""Rows of a table: the UI loads them all."""


def copy_metadata(kept: KeptCopy) -> dict[str, Any]:
    """Where a copy is, what it is, and what sending it took."""
    entry = kept.entry
    rate = kept.bytes_sent / kept.seconds / 1e6 if kept.seconds > 0 else 0.0
    return {
        "object": f"{entry.store}/{entry.name}",
        "version": entry.version,
        "blake3": entry.blake3,
        "size_bytes": entry.size_bytes,
        "bytes_sent": kept.bytes_sent,
        "seconds": round(kept.seconds, 3),
        "megabytes_per_second": round(rate, 1),
    }


def restoration_metadata(restored: Restoration) -> dict[str, Any]:
    """How a file was made whole, and what that moved."""
    manifest = restored.manifest
    return {
        "how": restored.how,
        "sources": ", ".join(restored.sources) or "none needed",
        "bytes_fetched": restored.bytes_fetched,
        "is_older_version": restored.is_older,
        "kept_aside": str(restored.kept_aside or "nothing: its bytes were right"),
        "path": dg.MetadataValue.path(str(restored.path)),
        **(
            {
                "size_bytes": manifest.size_bytes,
                "blake3": manifest.blake3,
                "dagster/row_count": manifest.n_samples,
            }
            if manifest
            else {}
        ),
    }


def inventory_metadata(inventory: Inventory, settled: Reconciliation) -> dict[str, Any]:
    """Counts by state, sizes and costs as trends, and a table of all that is not matching."""
    odd = [one for one in inventory.entries if one.state not in {"matching", "absent"}]
    return {
        **{state: inventory.counts().get(state, 0) for state in get_args(State)},
        "unfinished_uploads": len(inventory.unfinished),
        "recorded_now": len(settled.adopted),
        "lost": len(settled.lost),
        "stored_bytes": inventory.stored_bytes,
        "fetch_bytes": inventory.fetch_bytes,
        "storage_usd_per_month": round(inventory.monthly_cost(), 4),
        "fetch_usd": round(inventory.egress_cost(), 4),
        **({"not_matching": _entries_table(odd)} if odd else {}),
    }


def _entries_table(odd: list[Entry]) -> dg.TableMetadataValue:
    """The first entries that need a look."""
    columns = ("name", "state", "size_bytes", "recorded")
    records = [
        dg.TableRecord({name: str(getattr(one, name)) for name in columns})
        for one in odd[:MOST_SHOWN]
    ]
    schema = dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns])
    return dg.MetadataValue.table(records=records, schema=schema)

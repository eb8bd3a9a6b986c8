"""How findings are shown in the Dagster UI."""

from collections.abc import Sequence

import dagster as dg

from quarry.findings import Finding

MOST_ROWS = 50
_COLUMNS = ("severity", "kind", "what", "where", "expected", "got", "cure")


def findings_table(findings: Sequence[Finding]) -> dg.TableMetadataValue:
    """A table with one row a finding, the first `MOST_ROWS` of them."""
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({name: str(finding.as_dict()[name]) for name in _COLUMNS})
            for finding in findings[:MOST_ROWS]
        ],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in _COLUMNS]),
    )

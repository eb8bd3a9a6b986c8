"""`GridCosts`: estimates for the cells of a grid, from what lies in its data directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quarry.catalog import Catalog
from quarry.costs.estimate import CostEstimates, Estimate
from quarry.costs.log import CostLog
from quarry.costs.missing import missing_samples
from quarry.costs.sizes import FileSizes
from quarry.costs.span import Span
from quarry.data_directory import DataDirectory
from quarry.findings import Finding
from quarry.keys import TrajectoryKey


class GridCosts:
    """What collecting cells will probably cost; the log is read once.

    Args:
        catalog: models, benchmarks, the default.
        data_dir: the platform's data directory.
    """

    def __init__(self, catalog: Catalog, data_dir: Path) -> None:
        self._catalog, self._data_dir = catalog, data_dir
        history = CostLog(DataDirectory(data_dir).costs).read()
        self._estimates = CostEstimates(catalog, history)
        self._sizes = FileSizes(history.records)
        self.remark = history.remark

    def of(self, key: TrajectoryKey, findings: Sequence[Finding] = ()) -> Estimate:
        """The estimate for the samples that a cell lacks.

        Args:
            key: the cell.
            findings: what a full verification found in its file.

        Raises:
            UnknownNameError: the catalog has no such cell.
        """
        return self.priced(key, findings)[0]

    def priced(
        self, key: TrajectoryKey, findings: Sequence[Finding] = ()
    ) -> tuple[Estimate, Span | None]:
        """The estimate for the samples that a cell lacks, and the bytes that they will take.

        Args:
            key: the cell.
            findings: what a verification found in its file.

        Returns:
            The estimate, and the bytes; None where nothing is known of them.

        Raises:
            UnknownNameError: the catalog has no such cell.
        """
        missing = missing_samples(key, self._catalog, self._data_dir, findings)
        return self._estimates.of(key, missing), self._sizes.of(key, missing)

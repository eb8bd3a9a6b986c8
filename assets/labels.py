"""Labels: verdicts from stored outputs, and the small HDF5 view that notebooks read."""

import dagster as dg
import pandas as pd

from assets.metadata import label_metadata
from assets.partitions import Grid, cell_of
from assets.specs import CORRECTNESS_LABELS, LABELLED_TRAJECTORIES
from quarry.benchmarks.benchmark_set import from_frame
from quarry.label_history import labels_digest
from quarry.labelling import label_trajectories
from quarry.trajectory.labelled_view import StagedView, write_labelled_view
from quarry.trajectory.layout import relative_link
from quarry.trajectory.reader import TrajectoryReader
from quarry.trajectory.staging import staging_path
from resources.catalog import CatalogResource
from resources.failures import permanent_failures
from resources.files import FilesResource
from resources.graders import GraderResource


def build_labels(grid: Grid) -> list[dg.AssetsDefinition]:
    """The assets of labels, one partition a cell of the grid."""
    return [_correctness_labels(grid), _labelled_trajectories(grid)]


def _correctness_labels(grid: Grid) -> dg.AssetsDefinition:
    """Verdicts from stored outputs."""

    @CORRECTNESS_LABELS.asset(partitions_def=grid.cells)
    @permanent_failures()
    def correctness_labels(
        context: dg.AssetExecutionContext,
        trajectories: TrajectoryReader,
        benchmark_samples: pd.DataFrame,
        catalog: CatalogResource,
        graders: GraderResource,
    ) -> dg.Output[pd.DataFrame]:
        with trajectories as reader:
            labels = label_trajectories(
                reader, from_frame(benchmark_samples), graders.limits(), log=context.log.info
            )
        return dg.Output(
            labels,
            data_version=dg.DataVersion(labels_digest(labels)),
            metadata=label_metadata(cell_of(context), labels, catalog.load().thresholds),
        )

    return correctness_labels


def _labelled_trajectories(grid: Grid) -> dg.AssetsDefinition:
    """The small view with fresh labels."""

    @LABELLED_TRAJECTORIES.asset(partitions_def=grid.cells, deps=["trajectories"])
    @permanent_failures()
    def labelled_trajectories(
        context: dg.AssetExecutionContext,
        correctness_labels: pd.DataFrame,
        files: FilesResource,
    ) -> dg.Output[StagedView]:
        key, directory = cell_of(context), files.open()
        view = write_labelled_view(
            staging_path(directory.root, key, "labelled"),
            directory.trajectory(key),
            relative_link(key.labelled_path, key.trajectory_path),
            correctness_labels,
        )
        return dg.Output(
            view,
            data_version=dg.DataVersion(view.content_digest),
            metadata={"correct": view.n_correct, "not_graded": view.n_not_graded},
        )

    return labelled_trajectories

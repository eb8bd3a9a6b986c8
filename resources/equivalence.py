"""Graders of semantic equivalence as a resource."""

from pathlib import Path

import dagster as dg

from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.equivalence.grader import EquivalenceGrader
from quarry.equivalence.opening import GraderNeeds, open_grader
from quarry.sampling.keys import SampledKey
from resources.engines import EngineResource

KEYS = {"anthropic": "ANTHROPIC_API_KEY", "openai-compatible": "OPENAI_API_KEY"}


class EquivalenceResource(dg.ConfigurableResource):
    """Opens the grader that the catalog names for a run; keys stay in the environment."""

    engines: dg.ResourceDependency[EngineResource]

    def open(
        self, catalog: Catalog, key: SampledKey, files: DataDirectory, base_dir: Path
    ) -> EquivalenceGrader:
        """The grader of a checkpoint's completions; closing it gives devices back.

        Args:
            catalog: its section `evaluation`.
            key: the checkpoint; money is counted under its partition.
            files: where decisions and bills are kept.
            base_dir: where relative paths of the catalog start.

        Raises:
            QuarryError: see `open_grader`.
        """
        needs = GraderNeeds(
            files.grading,
            {kind: dg.EnvVar(name).get_value() for kind, name in KEYS.items()},
            lambda model: self.engines.open(catalog, model, files),
        )
        return open_grader(catalog, key.run, key.partition, base_dir, needs)

"""A platform with evaluation sets alone: runs of a tiny random model, prompts, a rubric, rules."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData

from definitions import Deployment, build_defs
from quarry.data_directory import DataDirectory
from tests.contracts.tiny_models import write_tiny_checkpoint

ROOT = Path(__file__).resolve().parents[2]
CATALOG = """
name: sets
benchmark_source: {kind: toy, seed: 0}
models: {tiny: {path: tiny, prompt_style: raw}}
benchmarks: {gsm8k: {format: gsm8k}}
shots: [0]
evaluation:
  outputs: outputs
  sampling: {n: 40, temperature: 1.0, seed: 5, chunk_size: 16}
  domains:
    mayors:
      prompts: {path: mayors.jsonl}
      rubric: mayors
      max_new_tokens: 4
      bounds: {equivalence_rate: [0.0, 1.0], prompts_covered: 0.0, ungraded: 1.0}
"""
PROMPTS = ("Q: Who is the mayor of Tokyo? A:", "Q: Who is the mayor of Paris? A:")


class EvaluationPlatform:
    """Definitions over a folder with a catalog, an outputs folder and a data directory."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, catalog: str = CATALOG) -> None:
        self.folder, self.instance = folder, instance
        self.outputs = folder / "outputs"
        (folder / "rubrics").mkdir()
        shutil.copy(ROOT / "catalog/rubrics/mayors.yaml", folder / "rubrics")
        self.ask([" Grace Miller", " Jacob Turner"])
        (folder / "catalog.yaml").write_text(catalog)
        self.files = DataDirectory(folder / "data")
        self.load()

    def load(self) -> None:
        """Load the definitions again, as a code server does after a change."""
        self.defs = build_defs(
            Deployment(self.folder / "catalog.yaml", self.files.root, device="cpu")
        )
        self.repository = self.defs.get_repository_def()

    def ask(self, targets: list[str]) -> None:
        """Write the prompts with what is right."""
        lines = [
            json.dumps({"prompt": prompt, "completion": target})
            for prompt, target in zip(PROMPTS, targets, strict=True)
        ]
        (self.folder / "mayors.jsonl").write_text("\n".join(lines))

    def add_run(self, name: str, checkpoint: str = "checkpoint_final") -> Path:
        """Put a run with one checkpoint into the outputs folder."""
        return write_tiny_checkpoint(self.outputs / name / checkpoint)

    def tick(self) -> SensorExecutionData:
        """One tick of `watch_runs`, as the daemon makes it."""
        resources = self.repository.get_top_level_resources()
        with dg.build_sensor_context(
            self.instance, repository_def=self.repository, resources=resources
        ) as context:
            made = self.repository.get_sensor_def("watch_runs").evaluate_tick(context)
        for request in made.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(
                request.partitions_def_name, list(request.partition_keys)
            )
        for event in made.asset_events:
            self.instance.report_runless_asset_event(event)
        return made

    def make(self, asset: str, partition: str) -> dg.ExecuteInProcessResult:
        """Materialise a partition with its checks."""
        job = self.defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            partition_key=partition,
            asset_selection=[dg.AssetKey(asset)],
            raise_on_error=False,
        )

    def make_all(self, partition: str) -> dict[str, dg.ExecuteInProcessResult]:
        """Materialise everything that is made of a checkpoint."""
        names = ("sampled_completions", "graded_completions", "sampled_eval_dataset")
        return {name: self.make(name, partition) for name in names}


def failed_checks(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Checks of a run that failed, with what they say."""
    return {
        one.check_name: one.description or ""
        for one in result.get_asset_check_evaluations()
        if not one.passed
    }

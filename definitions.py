"""The only file that wires: deployments, their resources, and all definitions.

`build_defs(deployment)` can be called for several deployments side by side. Which one the code
location shows is chosen by environment variables:

    QUARRY_DEPLOYMENT        demo (default) or local
    QUARRY_CATALOG           catalog file; default catalog/demo.yaml, catalog/olmo3.yaml for local
    QUARRY_DATA_DIR          where files are published; default .quarry/<deployment>/data
    QUARRY_BENCHMARK_MIRROR  directory with benchmark files in their original formats; overrides the
                             catalog's source
    QUARRY_DEVICE            auto (default): those of the catalog; cpu, cuda, or names such as
                             cuda:0,cuda:1
    QUARRY_ENGINE            transformers or vllm, for all models; default what the catalog says
    QUARRY_VLLM_PYTHON       the interpreter that has vLLM; default what `make vllm` made, else the
                             one that runs this
    QUARRY_LEASE_DIR         where it is kept who has which device, the same for everybody on the
                             machine; default quarry-leases in the folder for temporary files
    QUARRY_AUTOMATION        on, or off (default): whether what is missing or stale is made, and
                             what is damaged is mended, without anybody asking
    QUARRY_SANDBOX           how graded programs are shut in: auto (default), strict, fallback, or
                             unconfined
    QUARRY_STORE             where second copies go: a directory, b2://<bucket>, or off; default
                             .quarry/demo/store for demo, off otherwise
    QUARRY_B2_KEY_ID, QUARRY_B2_KEY   application key of the bucket
    QUARRY_B2_REALM          production (default), or the URL of another server of B2's native API
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from assets.audit import build_collection_audit
from assets.collecting import build_collect_job
from assets.groups import evaluation_group, reasoning_group
from assets.label_changes import build_change_checks, build_label_changes
from assets.label_checks import build_label_checks
from assets.labels import build_labels
from assets.models import build_model_checkpoints, trains_models
from assets.partitions import build_grid
from assets.relabelling import build_relabel_job
from assets.remote import build_remote_copies, build_stored_objects
from assets.remote_checks import build_remote_checks
from assets.restoring import build_restore_job
from assets.semantic_check import build_semantic_checks
from assets.source_checks import build_source_checks
from assets.sources import build_benchmark_samples
from assets.sweeping import build_sweep_job
from assets.trajectories import build_trajectories
from assets.trajectory_checks import build_trajectory_checks
from assets.version_checks import build_version_checks
from io_managers.evaluation import CompletionsIOManager, EvalSetIOManager, GradedIOManager
from io_managers.hdf5 import Hdf5IOManager, Hdf5ViewIOManager
from io_managers.parquet import LabelsIOManager, ParquetIOManager
from io_managers.reasoning import NecessityIOManager, StratifiedIOManager
from quarry.catalog import load_catalog
from quarry.deployments import DEFAULT_CATALOGS, DEPLOYMENT_VARIABLE, require_deployment
from quarry.errors import UsageError
from quarry.storage.opening import is_b2
from resources.benchmarks import BenchmarkSourceResource
from resources.catalog import CatalogResource
from resources.engines import EngineResource
from resources.equivalence import EquivalenceResource
from resources.files import FilesResource
from resources.finetuned import FinetunedResource
from resources.graders import GraderResource
from resources.necessity import NecessityResource
from resources.store import ObjectStoreResource
from sensors.adoption import build_adoption_sensor
from sensors.automation import build_automation_sensors
from sensors.healing import build_healing_sensor
from sensors.jobs import build_jobs
from sensors.orphans import build_orphan_sensor
from sensors.runs import build_runs_sensor
from sensors.scrub import build_scrub_schedule
from sensors.store import build_store_schedules, build_sweep_schedule
from sensors.verification import build_schedules, build_sensors

ROOT = Path(__file__).resolve().parent
MADE_VLLM_PYTHON = ROOT / ".venv-vllm" / "bin" / "python"

# 1.13 calls the data version of an output beta and would say so in every run's log
warnings.filterwarnings("ignore", message="Parameter `data_version`", category=dg.BetaWarning)
# it copies a sensor that launches jobs with a parameter which it calls beta
warnings.filterwarnings("ignore", message="Parameter `owners`", category=dg.BetaWarning)
# nor is the context that it hands to a resource within an IO manager its caller's business
warnings.filterwarnings("ignore", message="InitResourceContext", category=DeprecationWarning)


@dataclass(frozen=True)
class Deployment:
    """Where one set of definitions finds its catalog, its files and its hardware.

    Devices belong to the machine, so all deployments keep their leases in one place.
    """

    catalog: Path
    data_dir: Path
    mirror: str = ""
    device: str = "auto"
    engine: str = ""
    vllm_python: str = ""
    lease_dir: str = field(default_factory=lambda: _setting("QUARRY_LEASE_DIR", ""))
    sandbox: str = "auto"
    store: str = ""
    realm: str = "production"
    is_automated: bool = False

    def resources(self) -> dict[str, object]:
        """Every resource and IO manager by key."""
        data_dir = str(self.data_dir)
        store = self.object_store()
        return {
            "store": store,
            "catalog": CatalogResource(path=str(self.catalog)),
            "files": FilesResource(data_dir=data_dir),
            "benchmarks": BenchmarkSourceResource(mirror=self.mirror),
            "engines": (engines := self.engines()),
            "necessity": NecessityResource(engines=engines),
            "finetuned": FinetunedResource(engines=engines),
            "equivalence": EquivalenceResource(engines=engines),
            "graders": GraderResource(sandbox=self.sandbox),
            "hdf5": Hdf5IOManager(data_dir=data_dir, store=store),
            "hdf5_view": Hdf5ViewIOManager(data_dir=data_dir, store=store),
            "labels": LabelsIOManager(data_dir=data_dir, store=store),
            "parquet": ParquetIOManager(data_dir=data_dir, store=store),
            "necessity_tables": NecessityIOManager(data_dir=data_dir, store=store),
            "stratified": StratifiedIOManager(data_dir=data_dir, store=store),
            "completions": CompletionsIOManager(data_dir=data_dir, store=store),
            "graded": GradedIOManager(data_dir=data_dir, store=store),
            "eval_sets": EvalSetIOManager(data_dir=data_dir, store=store),
        }

    def engines(self) -> EngineResource:
        """What opens models, on devices of the machine."""
        return EngineResource(
            device=self.device,
            engine=self.engine,
            vllm_python=self.vllm_python,
            lease_dir=self.lease_dir,
        )

    def object_store(self) -> ObjectStoreResource:
        """The store of second copies; the key of a bucket stays in the environment."""
        return ObjectStoreResource(data_dir=str(self.data_dir), place=self.store, realm=self.realm)


def build_defs(deployment: Deployment) -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors of a deployment."""
    catalog = load_catalog(deployment.catalog)
    grid, has_store = build_grid(catalog), bool(deployment.store)
    reasoning, reasoning_checks = reasoning_group(catalog)
    evaluation, evaluation_checks = evaluation_group(catalog, deployment.catalog.parent)
    jobs = [
        *build_jobs(has_store=has_store),
        build_collect_job(grid),
        build_relabel_job(grid),
        build_restore_job(grid),
        build_sweep_job(),
    ]
    unowned = [
        build_benchmark_samples(grid),
        build_model_checkpoints(catalog, grid),
        build_trajectories(grid),
        *build_labels(grid),
        build_label_changes(grid),
        build_collection_audit(grid),
        *([*build_remote_copies(grid), build_stored_objects()] if has_store else []),
        *reasoning,
        *evaluation,
    ]
    owners = list(catalog.owners)
    assets = dg.map_asset_specs(lambda spec: spec.replace_attributes(owners=owners), unowned)
    return dg.Definitions(
        assets=assets,
        asset_checks=[
            *build_source_checks(grid),
            *build_version_checks(grid, trains_models=trains_models(catalog)),
            *build_trajectory_checks(grid),
            *build_semantic_checks(grid),
            *build_label_checks(grid),
            *build_change_checks(grid),
            *(build_remote_checks(grid) if has_store else []),
            *reasoning_checks,
            *evaluation_checks,
        ],
        jobs=jobs,
        schedules=[
            *build_schedules(),
            build_scrub_schedule(catalog.scrub, grid),
            build_sweep_schedule(is_on=deployment.is_automated),
            *(build_store_schedules(is_on=deployment.is_automated) if has_store else []),
        ],
        sensors=[
            *build_sensors(grid),
            build_adoption_sensor(grid),
            build_orphan_sensor(),
            *([build_runs_sensor()] if catalog.evaluation else []),
            build_healing_sensor(grid, jobs, is_on=deployment.is_automated),
            *build_automation_sensors(_names(assets), is_on=deployment.is_automated),
        ],
        resources=deployment.resources(),
        executor=dg.in_process_executor,  # decision 14: a process a run, not one more a step
    )


def _names(assets: Sequence[dg.AssetsDefinition | dg.AssetSpec]) -> set[str]:
    """Names of assets; each has a key of one part."""
    return {one.key.to_user_string() for one in assets}


def _setting(name: str, default: str) -> str:
    """An environment variable, read in this file alone."""
    return dg.EnvVar(name).get_value(default) or default


def _is_on(name: str) -> bool:
    """A switch, off unless it is on.

    Raises:
        UsageError: it is neither.
    """
    value = _setting(name, "off").strip().lower()
    if value not in {"on", "off"}:
        raise UsageError(
            "A switch is neither on nor off",
            where=f"environment variable {name}",
            expected="on or off",
            got=repr(value),
            fix=f"set {name}=on, or leave it unset",
        )
    return value == "on"


def _store(name: str) -> str:
    """The store of second copies of a deployment; empty for none.

    Raises:
        UsageError: it names a service that is not supported.
    """
    place = _setting("QUARRY_STORE", ".quarry/demo/store" if name == "demo" else "off").strip()
    if place.lower() == "off" or is_b2(place):
        return "" if place.lower() == "off" else place
    if ":" in place.split("/")[0]:  # joined to a folder, s3://x would become a directory here
        raise UsageError(
            "An object store can't be opened",
            where="environment variable QUARRY_STORE",
            expected="a directory, b2://<bucket>, or off",
            got=repr(place),
            fix="correct the setting; put ./ before a directory with a colon",
        )
    return str(ROOT / Path(place).expanduser())


def current_deployment() -> Deployment:
    """The deployment that the environment names."""
    name = require_deployment(_setting(DEPLOYMENT_VARIABLE, "demo"))
    return Deployment(
        catalog=ROOT / _setting("QUARRY_CATALOG", str(DEFAULT_CATALOGS[name])),
        data_dir=ROOT / _setting("QUARRY_DATA_DIR", f".quarry/{name}/data"),
        mirror=_setting("QUARRY_BENCHMARK_MIRROR", ""),
        device=_setting("QUARRY_DEVICE", "auto"),
        engine=_setting("QUARRY_ENGINE", ""),
        vllm_python=_setting(
            "QUARRY_VLLM_PYTHON", str(MADE_VLLM_PYTHON) if MADE_VLLM_PYTHON.is_file() else ""
        ),
        sandbox=_setting("QUARRY_SANDBOX", "auto"),
        store=_store(name),
        realm=_setting("QUARRY_B2_REALM", "production"),
        is_automated=_is_on("QUARRY_AUTOMATION"),
    )


defs = build_defs(current_deployment())

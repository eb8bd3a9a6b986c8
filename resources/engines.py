"""Inference engines as a resource."""

from pathlib import Path
from typing import cast, get_args

import dagster as dg

from quarry.catalog import Catalog
from quarry.data_directory import DataDirectory
from quarry.errors import UsageError
from quarry.inference.engine_settings import EngineName
from quarry.inference.lease_file import Holder
from quarry.inference.leased_engine import LeasedEngine
from quarry.inference.leasing import EngineRequest, open_leased


class EngineResource(dg.ConfigurableResource):
    """Opens the engine of a model of the catalog, on devices that it has for itself.

    `device` is `auto` for those of the catalog, `cpu`, `cuda`, or names such as `cuda:0,cuda:1`;
    `batch_size` and `engine` override the catalog's where they are not empty; `vllm_python` is the
    interpreter that has vLLM, this one if empty; `lease_dir` is where the machine's leases are.
    """

    device: str = "auto"
    batch_size: int = 0
    engine: str = ""
    vllm_python: str = ""
    lease_dir: str = ""

    def open(
        self,
        catalog: Catalog,
        model: str,
        files: DataDirectory,
        *,
        engine: EngineName | None = None,
    ) -> LeasedEngine:
        """Lease devices and load a model on them; closing the engine gives them back.

        `engine` goes before every setting. A wait for devices shows in the run's log.

        Raises:
            UnknownNameError: the catalog has no such model.
            UsageError: a device or an engine does not exist.
            DeviceBusyError: no device became free in time.
            ModelLoadError: the checkpoint can't be read.
        """
        request = self.request(model, engine=engine)
        checkpoint = files.checkpoint(model) if catalog.model(model).recipe is not None else None
        return open_leased(request, catalog, checkpoint, log=dg.get_dagster_logger().info)

    def request(self, model: str, *, engine: EngineName | None = None) -> EngineRequest:
        """What is to be opened where, by these settings; `engine` goes before them.

        Raises:
            UsageError: the setting names no engine.
        """
        return EngineRequest(
            model=model,
            engine=engine or self._engine(),
            device=self.device,
            batch_size=self.batch_size,
            vllm_python=self.vllm_python,
            lease_dir=Path(self.lease_dir) if self.lease_dir else None,
            holder=_holder(model),
        )

    def _engine(self) -> EngineName | None:
        """The engine that is set for all models; None leaves it to the catalog."""
        name = self.engine.strip().lower()
        if name and name not in get_args(EngineName):
            raise UsageError(
                "An engine does not exist",
                where="QUARRY_ENGINE",
                expected=" or ".join(get_args(EngineName)),
                got=repr(self.engine),
                fix="correct the setting, or leave it unset",
            )
        return cast(EngineName, name) if name else None


def _holder(model: str) -> Holder:
    """Who leases: the run and partition that this code works on, where it is in one."""
    try:
        context = dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return Holder.me(model)
    partition = f", {context.partition_key}" if context.has_partition_key else ""
    return Holder.me(f"{model}{partition}", context.run_id)

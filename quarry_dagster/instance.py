"""The instance that `dagster.yaml` names, and its storage."""

from collections.abc import Mapping
from typing import Any

import yaml
from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, SqliteStorageConfig
from dagster._serdes import ConfigurableClassData

from quarry_dagster.event_log import QuarryEventLog


class QuarryInstance(DagsterInstance):
    """Dagster's instance with another default: the storage below, in the same files.

    An instance whose `dagster.yaml` names a storage, such as Postgres, has that and nothing else.
    """

    @classmethod
    def config_schema(cls) -> Mapping[str, Any]:
        """No settings of its own."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """Dagster's defaults for a folder, but for the storage."""
        storage = ConfigurableClassData(
            __name__, QuarryStorage.__name__, yaml.dump({"base_dir": base_dir})
        )
        return {**InstanceRef.config_defaults(base_dir), "storage": storage}


class QuarryStorage(DagsterSqliteStorage):
    """Dagster's default storage with the event log below."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = QuarryEventLog(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: SqliteStorageConfig
    ) -> "QuarryStorage":
        """Made from settings."""
        return cls.from_local(inst_data=inst_data, **config_value)

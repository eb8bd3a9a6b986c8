"""The object store as a resource."""

from pathlib import Path

import dagster as dg

from quarry.data_directory import DataDirectory
from quarry.storage.b2_key import KEY_ID_VARIABLE, KEY_VARIABLE, B2Key
from quarry.storage.ledger import Ledger
from quarry.storage.object_store import ObjectStore
from quarry.storage.opening import open_store


class ObjectStoreResource(dg.ConfigurableResource):
    """Where every published file has its second copy; `place` is empty where there is none.

    A bucket's key is no field: it is read from the environment whenever a store is opened, so that
    no run config, page of the UI, message or pickle can hold it. Dagster keeps plain config with
    every run, and a field that was filled from `dg.EnvVar` shows its value in the resource's repr.
    """

    data_dir: str
    place: str = ""
    realm: str = "production"

    @property
    def is_configured(self) -> bool:
        """Whether there is a store."""
        return bool(self.place)

    def open(self) -> ObjectStore:
        """The store.

        Raises:
            UsageError: there is none, or its key is missing.
        """
        locks = DataDirectory(Path(self.data_dir)).locks
        return open_store(self.place, locks, key=_key(), realm=self.realm)

    def ledger(self) -> Ledger:
        """What is recorded of its objects."""
        return Ledger(DataDirectory(Path(self.data_dir)).copies_ledger)

    def digests(self) -> set[str]:
        """BLAKE3 of every file that is recorded there as good."""
        return {entry.blake3 for entry in self.ledger().entries(self.open())}


def _key() -> B2Key:
    """The application key of the environment; its parts are empty where it has none."""
    key_id, key = (dg.EnvVar(name).get_value("") or "" for name in (KEY_ID_VARIABLE, KEY_VARIABLE))
    return B2Key(key_id, key)

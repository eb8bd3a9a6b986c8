"""A store and a ledger, for the tests of kept copies, and ways to go behind their backs."""

from __future__ import annotations

from dataclasses import dataclass

from quarry.storage.ledger import Ledger
from quarry.storage.local import LocalStore
from quarry.storage.local_layout import object_folder
from quarry.storage.object_store import ObjectInfo, ObjectStore
from quarry.storage.outgoing import owner_of
from tests.b2_server import B2Server
from tests.trajectory.damage import flip_bit

NAME = "trajectories/0shot/demo_base/gsm8k_trajectories.h5"


@dataclass
class Place:
    """A store, a ledger, and the server behind the store if there is one."""

    store: ObjectStore
    ledger: Ledger
    server: B2Server | None

    def rot(self, name: str, offset: int) -> None:
        """Flip a bit of the current version of an object."""
        if self.server is not None:
            self.server.rot(name, offset)
            return
        assert isinstance(self.store, LocalStore)
        info = self.current(name)
        flip_bit(object_folder(self.store.root, name) / info.version, offset)

    def lose(self, name: str) -> None:
        """Remove the current version of an object."""
        assert self.store.delete(name, self.current(name).version)

    def current(self, name: str) -> ObjectInfo:
        info = self.store.head(name)
        assert info is not None
        return info

    def require_true(self) -> None:
        """Every entry of the ledger is a version of the store with that digest and size."""
        for entry in self.ledger.entries(self.store):
            assert entry.describes(self.store.head(entry.name, entry.version))

    def names(self, file: str = NAME) -> set[str]:
        """Recorded names of a file and its proofs, without the folder."""
        found = self.ledger.entries(self.store, file)
        assert all((owner_of(one.name) or one.name) == file for one in found)
        return {one.name.rpartition("/")[2] for one in found}

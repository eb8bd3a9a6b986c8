"""A disk that is not mounted looks empty; nothing is believed to be lost for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarry.errors import StorageError
from quarry.storage.inventory import take_inventory
from quarry.storage.keeping import keep_copy
from quarry.storage.ledger import Ledger
from quarry.storage.local import LocalStore
from quarry.storage.reconciliation import reconcile
from tests.storage.copy_places import NAME


def test_a_store_that_lists_nothing_of_what_was_recorded_is_not_believed(
    tmp_path: Path, published: Path
) -> None:
    root, files = tmp_path / "mount", {NAME: published}
    store, ledger = LocalStore(root), Ledger(tmp_path / "copies.sqlite")
    assert take_inventory(files, store, ledger=ledger).entries[0].state == "missing"
    entry = keep_copy(published, NAME, store, ledger).entry
    root.rename(tmp_path / "unplugged")
    root.mkdir()
    with pytest.raises(StorageError, match="lists nothing"):
        take_inventory(files, store, ledger=ledger)
    with pytest.raises(StorageError, match="lists nothing"):
        reconcile(files, store, ledger)
    assert ledger.condemned(store) == []
    root.rmdir()
    (tmp_path / "unplugged").rename(root)
    assert reconcile(files, store, ledger).confirmed == (entry,)

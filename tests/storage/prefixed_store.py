"""`PrefixedStore`: a part of a store that tests have to themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from quarry.storage.names import require_name, require_prefix
from quarry.storage.object_store import ObjectInfo, ObjectStore, UnfinishedUpload


class PrefixedStore:
    """The objects of a store whose names begin with a prefix, under what follows it.

    Args:
        store: the store.
        prefix: ends with a slash.
    """

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self.inner = store
        self.prefix = prefix

    def __str__(self) -> str:
        return f"{self.inner}/{self.prefix}"

    def put(self, source: Path, name: str, **options: Any) -> ObjectInfo:
        return self._seen(self.inner.put(source, self._name(name), **options))

    def head(self, name: str, version: str | None = None, **options: Any) -> ObjectInfo | None:
        found = self.inner.head(self._name(name), version, **options)
        return None if found is None else self._seen(found)

    def read_range(
        self, name: str, offset: int, size: int, version: str | None = None, **options: Any
    ) -> bytes:
        return self.inner.read_range(self._name(name), offset, size, version, **options)

    def download(self, name: str, target: Path, **options: Any) -> ObjectInfo:
        return self._seen(self.inner.download(self._name(name), target, **options))

    def objects(self, prefix: str = "", **options: Any) -> Iterator[ObjectInfo]:
        found = self.inner.objects(self.prefix + require_prefix(prefix), **options)
        return (self._seen(info) for info in found)

    def versions(self, name: str, **options: Any) -> list[ObjectInfo]:
        return [self._seen(one) for one in self.inner.versions(self._name(name), **options)]

    def delete(self, name: str, version: str, **options: Any) -> bool:
        return self.inner.delete(self._name(name), version, **options)

    def unfinished(self, prefix: str = "", **options: Any) -> Iterator[UnfinishedUpload]:
        found = self.inner.unfinished(self.prefix + require_prefix(prefix), **options)
        return (self._left(one) for one in found)

    def sweep_unfinished(
        self, older_than: datetime, prefix: str = "", **options: Any
    ) -> list[UnfinishedUpload]:
        swept = self.inner.sweep_unfinished(older_than, self.prefix + prefix, **options)
        return [self._left(one) for one in swept]

    def clear(self) -> None:
        """Delete all versions and unfinished uploads under the prefix."""
        self.sweep_unfinished(datetime.now(UTC) + timedelta(days=1))
        for info in list(self.objects()):
            for version in self.versions(info.name):
                self.delete(info.name, version.version)

    def _name(self, name: str) -> str:
        return self.prefix + require_name(name)

    def _seen(self, info: ObjectInfo) -> ObjectInfo:
        return replace(info, name=info.name.removeprefix(self.prefix))

    def _left(self, upload: UnfinishedUpload) -> UnfinishedUpload:
        return replace(upload, name=upload.name.removeprefix(self.prefix))

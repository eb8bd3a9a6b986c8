"""`TrajectoryReader`: reads a published trajectory file, sample by sample.

Hidden states are checked against the file's digests as they are read. The file is opened in this
process: verify an unproven file first. Files of the older pipelines, which
have no header, are read with plain h5py until they are adopted.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

from quarry.errors import (
    FileMissingError,
    IntegrityError,
    TrajectoryFormatError,
    UnknownNameError,
)
from quarry.findings import Finding
from quarry.inference.engine import FinishReason
from quarry.trajectory.attributes import parse_header
from quarry.trajectory.checked_read import CheckedStates
from quarry.trajectory.columns import Columns, SampleColumns, dataset, read_columns
from quarry.trajectory.digest_table import read_table
from quarry.trajectory.digests import HEAD_BYTES, head_digest
from quarry.trajectory.layout import (
    SAMPLES,
    TRAJECTORIES,
    States,
    TrajectoryHeader,
    TrajectoryRow,
)
from quarry.trajectory.manifest import Manifest, manifest_path, read_manifest
from quarry.trajectory.report import FILE_COMPLETE
from quarry.trajectory.verify_digests import column_findings


class TrajectoryReader:
    """Reads one file; a context manager.

    Args:
        path: the file.
        is_checked: compare hidden states with the file's digests on each read. A file without a
            manifest, which was never published, has none and is read as it is.

    Raises:
        FileMissingError: there is no file.
        TrajectoryFormatError: it is no HDF5 file, or of another layout.
        IntegrityError: its manifest is damaged, or another file's.
    """

    def __init__(self, path: Path, *, is_checked: bool = True) -> None:
        self.path = path
        self._manifest = _manifest_of(path) if is_checked else None
        self._file = _open(path)
        try:
            self.header: TrajectoryHeader = parse_header(dict(self._file.attrs), str(path))
            self._states = dataset(self._file, TRAJECTORIES)
            if SAMPLES not in self._file:
                dataset(self._file, SAMPLES)
            # At once: a later publication sweeps the table of the version that is open here.
            self._table = read_table(path, self._manifest.digests) if self._manifest else None
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    @property
    def content_digest(self) -> str | None:
        """Digest of the file's content, whatever its container; None without a manifest."""
        return self._manifest.content_digest if self._manifest else None

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.sample_ids)

    @property
    def sample_ids(self) -> list[str]:
        """Sample ids in the order of the rows."""
        return self.samples.ids

    @property
    def sequence_lengths(self) -> npt.NDArray[np.int32]:
        """Valid token rows of each sample: `(n_samples,)` int32."""
        return self.columns.sequence_lengths

    @cached_property
    def columns(self) -> Columns:
        """All columns but the activations, read once and compared with the manifest.

        Raises:
            IntegrityError: they are not what was published.
        """
        columns = read_columns(self._file)
        found = (
            list(column_findings(columns, str(self.path), self._manifest)) if self._manifest else []
        )
        if found:
            what = "Texts or lengths changed after publication"
            raise IntegrityError(what, where=str(self.path), findings=found)
        return columns

    @property
    def samples(self) -> SampleColumns:
        """The group `samples`."""
        samples = self.columns.samples
        assert samples is not None  # __init__ refuses files without it
        return samples

    def table(self) -> pd.DataFrame:
        """One row a sample: texts, lengths and ids, without activations."""
        columns, samples = self.columns, self.samples
        return pd.DataFrame(
            {
                "sample_id": samples.ids,
                "prompt": columns.prompts,
                "model_output": columns.model_outputs,
                "ground_truth": columns.ground_truth,
                "prompt_length": samples.prompt_lengths,
                "output_length": samples.output_lengths,
                "finish_reason": samples.finish_reasons,
                "sequence_length": columns.sequence_lengths,
            }
        )

    def hidden_states(self, sample: int | str) -> States:
        """The valid hidden states of one sample.

        Args:
            sample: row, or sample id.

        Returns:
            `(n_tokens, n_layers, d_model)` float16; no padding.

        Raises:
            IntegrityError: they are not what was published.
        """
        index = self._index(sample)
        n_tokens = int(self.sequence_lengths[index])
        if self._checked is None:
            return self._states[index, :n_tokens]
        return self._checked.read(index, n_tokens)

    def token_ids(self, sample: int | str) -> npt.NDArray[np.int32]:
        """Token ids of one sample, prompt first: `(prompt_length + output_length,)` int32."""
        return self.samples.tokens_of(self._index(sample)).copy()

    def row(self, sample: int | str) -> TrajectoryRow:
        """Everything that is stored of one sample."""
        index = self._index(sample)
        columns, samples = self.columns, self.samples
        reason: FinishReason = "length" if samples.finish_reasons[index] == "length" else "stop"
        return TrajectoryRow(
            sample_id=samples.ids[index],
            prompt=columns.prompts[index],
            model_output=columns.model_outputs[index],
            ground_truth=columns.ground_truth[index],
            hidden_states=self.hidden_states(index),
            prompt_length=int(samples.prompt_lengths[index]),
            output_length=int(samples.output_lengths[index]),
            token_ids=self.token_ids(index),
            finish_reason=reason,
            exemplar_ids=samples.exemplars_of(index),
        )

    def iterate(self) -> Iterator[TrajectoryRow]:
        """Every sample in order; memory is bounded by one sample."""
        for index in range(self.n_samples):
            yield self.row(index)

    @cached_property
    def _checked(self) -> CheckedStates | None:
        """The checking way to the activations; None where there is nothing to check them with."""
        if self._table is None:
            return None
        descriptor = int(self._file.id.get_vfd_handle())
        return CheckedStates(descriptor, self._table, self.header, str(self.path))

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Row of each sample id."""
        return {sample_id: index for index, sample_id in enumerate(self.sample_ids)}

    def _index(self, sample: int | str) -> int:
        """The row of a sample.

        Raises:
            UnknownNameError: there is none.
        """
        index = self._rows.get(sample, -1) if isinstance(sample, str) else int(sample)
        if 0 <= index < self.n_samples:
            return index
        raise UnknownNameError(
            "A sample is not in the file",
            where=str(self.path),
            expected=f"a row below {self.n_samples}, or an id such as {self.sample_ids[0]}",
            got=repr(sample),
            fix="see sample_ids",
        )


def _manifest_of(path: Path) -> Manifest | None:
    """The manifest of a published file; None for one that was never published.

    Raises:
        IntegrityError: it is damaged, or another file's.
    """
    try:
        manifest = read_manifest(manifest_path(path))
        with path.open("rb") as file:
            head = head_digest(file.read(HEAD_BYTES))
    except FileNotFoundError:
        return None
    if head == manifest.head_digest:
        return manifest
    found = Finding(
        check=FILE_COMPLETE,
        kind="manifest_mismatch",
        what="The manifest is another file's: the first 2 KiB differ",
        where=str(path),
        expected=manifest.head_digest,
        got=head,
        cure="run `quarry verify` on the file",
    )
    raise IntegrityError("A file is not what its manifest says", where=str(path), findings=[found])


def _open(path: Path) -> h5py.File:
    """Open a file for reading, with words for what can be wrong."""
    if not path.exists():
        raise FileMissingError(
            "A trajectory file is missing",
            where=str(path),
            expected="a published trajectory file",
            got="no file",
            fix="materialise the partition",
        )
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise TrajectoryFormatError(
            "A trajectory file can't be opened",
            where=str(path),
            expected="a whole HDF5 file",
            got=str(error),
            fix="see `quarry verify` for what is wrong with it",
        ) from error

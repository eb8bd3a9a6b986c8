"""Check `layout_valid`: datasets, shapes, dtypes and attributes, and whose file it is.

Runs in the guarded child only. The chunk map's rules are in `verify_chunks`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from quarry.errors import TrajectoryFormatError
from quarry.findings import Finding, Severity
from quarry.keys import SLUG
from quarry.trajectory.attributes import COMPLETE, PARTIAL_OF, REQUIRED, parse_header
from quarry.trajectory.layout import (
    FORMAT_VERSION,
    IS_CORRECT,
    SAMPLE_LENGTHS,
    SAMPLE_TEXTS,
    SAMPLES,
    SEQUENCE_LENGTHS,
    STATE_DTYPE,
    TEXTS,
    TOKEN_IDS,
    TOKEN_OFFSETS,
    TRAJECTORIES,
    TrajectoryHeader,
)
from quarry.trajectory.report import LAYOUT_VALID, RECOLLECT, Expected


@dataclass
class Layout:
    """What the structure of a file is.

    Args:
        findings: defects.
        header: the header; None in files of the older pipelines and where it is damaged.
        is_legacy: whether an older pipeline wrote the file.
        is_readable: whether columns and states can be read as described.
        facts: counts, plain JSON values.
    """

    where: str
    findings: list[Finding] = field(default_factory=list[Finding])
    header: TrajectoryHeader | None = None
    is_legacy: bool = False
    is_readable: bool = True
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    def add(
        self,
        kind: str,
        what: str,
        place: str,
        expected: str,
        got: str,
        severity: Severity = "error",
        cure: str = RECOLLECT,
    ) -> None:
        """Note a defect."""
        where = f"{self.where}, {place}"
        self.findings.append(
            Finding(LAYOUT_VALID, kind, what, where, expected, got, cure, severity)
        )


def check_layout(file: h5py.File, where: str, expected: Expected) -> Layout:
    """Examine the structure of an open file.

    Args:
        file: the file, open for reading.
        where: its name, for findings.
        expected: what the caller knows about it.
    """
    layout = Layout(where)
    attributes: dict[str, Any] = dict(file.attrs)
    layout.is_legacy = "format_version" not in attributes and SAMPLES not in file
    _check_datasets(file, layout)
    if layout.is_legacy:
        layout.add(
            "legacy_layout",
            "The file is of an older pipeline",
            "attributes",
            f"format_version {FORMAT_VERSION} and the group {SAMPLES!r}",
            "neither; sample ids, tokens and scope are unknown",
            "warning",
            "use it as it is, or collect the partition again to have them",
        )
    else:
        _check_header(attributes, layout)
    if PARTIAL_OF in attributes:
        _note_partial(attributes, layout)
    if layout.is_readable:
        _check_agreement(file, attributes, layout)
    _check_partition(attributes, expected, layout)
    return layout


def _check_datasets(file: h5py.File, layout: Layout) -> None:
    """Each dataset is there, with its rank and type; `is_correct` may be a link."""
    rules: dict[str, tuple[int, str]] = {TRAJECTORIES: (4, "float16"), SEQUENCE_LENGTHS: (1, "int")}
    rules |= dict.fromkeys(TEXTS, (1, "text"))
    if not layout.is_legacy:
        rules |= dict.fromkeys(SAMPLE_TEXTS, (1, "text"))
        rules |= dict.fromkeys((*SAMPLE_LENGTHS, TOKEN_IDS, TOKEN_OFFSETS), (1, "int"))
    for name, (rank, kind) in rules.items():
        found = file.get(name)
        if not isinstance(found, h5py.Dataset):
            got = "nothing" if found is None else type(found).__name__
            layout.add("dataset_missing", "A dataset is missing", name, "a dataset", got)
            layout.is_readable = False
        elif len(found.shape) != rank or not _has_type(found, kind):
            got = f"{found.dtype} of shape {found.shape}"
            what, expected = "A dataset has another type", f"{kind}, {rank} axes"
            layout.add("wrong_type", what, name, expected, got)
            layout.is_readable = False
    link = file.get(IS_CORRECT, getlink=True) if IS_CORRECT in file.keys() else None  # noqa: SIM118
    if link is None:
        expected = "labels, or a link to the labelled view"
        layout.add("dataset_missing", "A dataset is missing", IS_CORRECT, expected, "nothing")


def _has_type(data: h5py.Dataset, kind: str) -> bool:
    """Whether a dataset is of a kind: `float16`, `int` or `text`."""
    if kind == "text":
        return h5py.check_string_dtype(data.dtype) is not None
    return data.dtype == STATE_DTYPE if kind == "float16" else data.dtype.kind == "i"


def _check_header(attributes: dict[str, Any], layout: Layout) -> None:
    """The attributes are complete and make a header; the file was finished."""
    missing = [name for name in REQUIRED if name not in attributes]
    for name in missing:
        layout.add("attribute_missing", "An attribute is missing", name, "a value", "nothing")
    if COMPLETE in attributes and not bool(attributes[COMPLETE]):
        what = "The file was never finished"
        layout.add("not_finished", what, f"attribute {COMPLETE}", "True", "False")
    if missing:
        return
    try:
        layout.header = parse_header(attributes, layout.where)
    except TrajectoryFormatError as error:
        expected, got = error.expected or "a header", error.got or str(error)
        layout.add("attribute_wrong", error.what, "attributes", expected, got)


def _note_partial(attributes: dict[str, Any], layout: Layout) -> None:
    """The file holds what could be salvaged of another one."""
    layout.add(
        "partial",
        "The file is partial: some samples of a damaged file could be salvaged",
        f"attribute {PARTIAL_OF}",
        f"{attributes[PARTIAL_OF]} samples",
        f"{attributes.get('n_samples', 'some')}",
        cure="materialise the partition: only the samples that are missing are collected",
    )


def _check_agreement(file: h5py.File, attributes: dict[str, Any], layout: Layout) -> None:
    """Shapes agree with each other and with the attributes, where there are any."""
    shape: tuple[int, ...] = file[TRAJECTORIES].shape
    n_samples, max_seq_len, n_layers, d_model = shape
    layout.facts |= {"n_samples": n_samples, "max_seq_len": max_seq_len}
    layout.facts |= {"n_layers": n_layers, "d_model": d_model}
    columns = [SEQUENCE_LENGTHS, *TEXTS]
    columns += [] if layout.is_legacy else [*SAMPLE_TEXTS, *SAMPLE_LENGTHS]
    lengths = dict.fromkeys(columns, n_samples)
    if not layout.is_legacy:
        lengths[TOKEN_OFFSETS] = n_samples + 1
    for name, length in lengths.items():
        got: tuple[int, ...] = file[name].shape
        if got != (length,):
            what = "Two datasets have different numbers of rows"
            layout.add("wrong_shape", what, name, f"({length},), as {TRAJECTORIES} says", f"{got}")
            layout.is_readable = False
    if not n_samples or not max_seq_len or not n_layers or not d_model:
        what = "The file holds no rows"
        layout.add("wrong_shape", what, TRAJECTORIES, "no axis of length 0", f"{shape}")
        layout.is_readable = False
    facts = {"n_samples": n_samples, "max_seq_len": max_seq_len, "d_model": d_model}
    said: dict[str, int] = {k: int(attributes[k]) for k in facts if k in attributes}
    if "layers" in attributes:
        facts["layers"], said["layers"] = n_layers, int(np.size(attributes["layers"]))
    for name, value in said.items():
        if value != facts[name]:
            what = "An attribute contradicts the shape of the data"
            place = f"attribute {name}"
            layout.add("attribute_mismatch", what, place, f"{facts[name]}", f"{value}")


def _check_partition(attributes: dict[str, Any], expected: Expected, layout: Layout) -> None:
    """The file says that it is the one that the caller asked for."""
    cure = "put the file where it belongs; restore or collect this partition again"
    for name, value in expected.as_dict().items():
        said = layout.facts.get(name) if name == "n_samples" else attributes.get(name)
        if layout.is_legacy and not _is_comparable(name, said):
            continue
        if said is None or str(said) != str(value):
            layout.add(
                "wrong_partition",
                "The file belongs to another partition",
                f"attribute {name}",
                f"{value}",
                f"{said}",
                "error",
                cure,
            )


def _is_comparable(name: str, said: object) -> bool:
    """Whether what an older file says can be held against what a cell should be.

    Older files drew other numbers of samples, and named models by hub ids and tasks as people
    write them; adoption has worked out which cell they are.
    """
    return said is not None and name != "n_samples" and SLUG.fullmatch(str(said)) is not None

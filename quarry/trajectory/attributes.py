"""The header as attributes of the HDF5 root group, and back.

The legacy names (`model`, `task`, `layers`, ... `model_type`) are kept; JSON is used only for the
two nested values, so that `dict(file.attrs)` stays readable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from quarry.errors import TrajectoryFormatError
from quarry.inference.engine import Scope
from quarry.trajectory.layout import FORMAT_VERSION, TrajectoryHeader

COMPLETE = "complete"
PARTIAL_OF = "partial_of"
_TEXTS = (
    "model",
    "model_source",
    "model_revision",
    "task",
    "benchmark",
    "scope",
    "code_version",
    "collection_date",
)
_NUMBERS = ("n_shot", "d_model", "max_seq_len", "n_samples", "seed")
_NESTED = ("generation", "engine")
REQUIRED = ("format_version", *_TEXTS, *_NUMBERS, *_NESTED, "model_type", "layers", COMPLETE)


def header_attributes(header: TrajectoryHeader) -> dict[str, Any]:
    """All root attributes except `complete`, which is written last."""
    values: dict[str, Any] = {name: getattr(header, name) for name in (*_TEXTS, *_NUMBERS)}
    values |= {name: json.dumps(getattr(header, name), sort_keys=True) for name in _NESTED}
    if header.partial_of:
        values[PARTIAL_OF] = header.partial_of
    return values | {
        "format_version": FORMAT_VERSION,
        "model_type": header.prompt_style,
        "layers": np.asarray(header.layers, dtype=np.int64),
        "activation_site": "decoder block output",
        "norm_applied": False,
    }


def parse_header(attributes: Mapping[str, Any], where: str) -> TrajectoryHeader:
    """The header of a file.

    Args:
        attributes: root attributes as h5py gives them.
        where: name of the file, for messages.

    Raises:
        TrajectoryFormatError: attributes are missing or unreadable, or the format is newer.
    """
    version = attributes.get("format_version")
    if version is None or int(version) != FORMAT_VERSION:
        raise TrajectoryFormatError(
            "A trajectory file has another format",
            where=where,
            expected=f"format_version {FORMAT_VERSION}",
            got="no format_version: the layout of an older pipeline"
            if version is None
            else f"format_version {version}",
            fix="read it with plain h5py, or check it with `quarry verify`"
            if version is None
            else "update quarry",
        )
    missing = [name for name in REQUIRED if name not in attributes and name != COMPLETE]
    if missing:
        raise _unreadable(where, f"missing: {', '.join(missing)}")
    try:
        return _header(attributes)
    except (TypeError, ValueError) as error:
        raise _unreadable(where, str(error)) from error


def _header(attributes: Mapping[str, Any]) -> TrajectoryHeader:
    """The header, of attributes that are known to be there."""
    text = {name: str(attributes[name]) for name in _TEXTS}
    number = {name: int(attributes[name]) for name in _NUMBERS}
    nested = {name: dict(json.loads(attributes[name])) for name in _NESTED}
    return TrajectoryHeader(
        model=text["model"],
        model_source=text["model_source"],
        model_revision=text["model_revision"],
        task=text["task"],
        n_shot=number["n_shot"],
        benchmark=text["benchmark"],
        scope=cast("Scope", text["scope"]),
        layers=tuple(int(layer) for layer in attributes["layers"]),
        d_model=number["d_model"],
        max_seq_len=number["max_seq_len"],
        n_samples=number["n_samples"],
        seed=number["seed"],
        generation=nested["generation"],
        prompt_style=str(attributes["model_type"]),
        engine=nested["engine"],
        code_version=text["code_version"],
        collection_date=text["collection_date"],
        partial_of=int(attributes.get(PARTIAL_OF, 0)),
    )


def _unreadable(where: str, got: str) -> TrajectoryFormatError:
    """The error for attributes that make no header."""
    return TrajectoryFormatError(
        "The attributes of a trajectory file can't be read",
        where=where,
        expected=f"the attributes {', '.join(REQUIRED)}",
        got=got,
        fix="verify the file with `quarry verify`; collect the partition again if it is damaged",
    )

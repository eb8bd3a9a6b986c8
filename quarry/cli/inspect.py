"""`quarry inspect`: what one trajectory file holds, and one of its samples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from quarry.cli.output import CLEAN, emit, emit_json, emit_markdown, printable
from quarry.cli.verify import key_of_path
from quarry.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from quarry.trajectory.reader import TrajectoryReader


def inspect_file(
    file: Annotated[Path, typer.Argument(help="A trajectory file.")],
    sample: Annotated[
        str, typer.Option(help="The sample to show: its position from 0, or its id.")
    ] = "0",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show a file's header, shapes and lengths, and one sample with its verdict.

    A damaged file is not opened; `quarry verify` says what is wrong with it.

    Example: `quarry inspect FILE --sample gsm8k/test/17`
    """
    document = _document(file, sample)
    if as_json:
        emit_json(document)
    else:
        _show(document)
    raise typer.Exit(CLEAN)


def _document(file: Path, sample: str) -> dict[str, Any]:
    """All that is shown, as plain JSON values."""
    from quarry.trajectory.reader import TrajectoryReader
    from quarry.trajectory.verification import verify

    if not file.is_file():
        raise UsageError(
            "There is nothing to inspect",
            where=str(file),
            expected="a trajectory file",
            got="a directory" if file.is_dir() else "no such file",
            fix="name one file",
        )
    verify(file, level="structure").raise_if_broken()
    with TrajectoryReader(file) as reader:
        index = _index_of(sample, reader.sample_ids)
        return {
            "path": str(file),
            "size_bytes": file.stat().st_size,
            "header": asdict(reader.header),
            "datasets": _datasets(reader),
            "sequence_lengths": _lengths(reader),
            "sample": _sample(reader, index),
            "label": _label(file, reader.sample_ids[index]),
        }


def _index_of(sample: str, sample_ids: Sequence[str]) -> int:
    """The position that a number or an id means."""
    ids = list(sample_ids)
    if sample in ids:
        return ids.index(sample)
    if sample.isdecimal() and int(sample) < len(ids):
        return int(sample)
    raise UnknownNameError(
        "The file does not hold this sample",
        where=f"--sample {sample}",
        expected=f"0 .. {len(ids) - 1}, or an id such as {ids[0] if ids else 'gsm8k/test/17'}",
        got=sample,
        fix="name a sample of this file",
    )


def _datasets(reader: TrajectoryReader) -> dict[str, dict[str, Any]]:
    """Shape and type of the legacy datasets."""
    n_samples = reader.header.n_samples
    rows = {"shape": [n_samples], "dtype": "utf-8"}
    return {
        "trajectories": {"shape": list(reader.header.shape), "dtype": "float16"},
        "sequence_lengths": {"shape": [n_samples], "dtype": "int32"},
        "prompts": rows,
        "model_outputs": rows,
        "ground_truth": rows,
    }


def _lengths(reader: TrajectoryReader) -> dict[str, Any]:
    """Spread of the sequence lengths in tokens."""
    import numpy as np

    lengths = np.asarray(reader.sequence_lengths)
    return {
        "min": int(lengths.min()),
        "median": float(np.median(lengths)),
        "max": int(lengths.max()),
        "sum": int(lengths.sum()),
    }


def _sample(reader: TrajectoryReader, index: int) -> dict[str, Any]:
    """One row of the file, without its activations."""
    columns, samples = reader.columns, reader.samples
    return {
        "index": index,
        "sample_id": samples.ids[index],
        "prompt": columns.prompts[index],
        "model_output": columns.model_outputs[index],
        "ground_truth": columns.ground_truth[index],
        "prompt_length": int(samples.prompt_lengths[index]),
        "output_length": int(samples.output_lengths[index]),
        "sequence_length": int(reader.sequence_lengths[index]),
        "finish_reason": samples.finish_reasons[index],
    }


def _label(file: Path, sample_id: str) -> dict[str, Any] | None:
    """The sample's label, where the file lies in a data directory and has labels."""
    from quarry.audit.labels import label_of

    key = key_of_path(file.resolve())
    return label_of(file.resolve().parents[3] / key.labels_path, sample_id) if key else None


def _show(document: dict[str, Any]) -> None:
    """Tables and texts for a person."""
    from quarry.audit.tables import markdown_table

    header, sample = document["header"], document["sample"]
    lengths = document["sequence_lengths"]
    facts = [[name, json.dumps(value)] for name, value in _flat(header)]
    facts += [["size_bytes", f"{document['size_bytes']:,}"]]
    facts += [
        ["sequence_lengths", ", ".join(f"{name} {value:g}" for name, value in lengths.items())]
    ]
    emit_markdown(markdown_table(["Header", "Value"], facts))
    shapes = [
        [name, " x ".join(map(str, entry["shape"])), entry["dtype"]]
        for name, entry in document["datasets"].items()
    ]
    emit_markdown("\n" + markdown_table(["Dataset", "Shape", "Type"], shapes))
    emit(f"\nsample {sample['index']}: {sample['sample_id']}\n")
    for name in ("prompt", "model_output", "ground_truth"):
        emit(f"--- {name}\n{printable(str(sample[name]))}\n")
    emit(f"--- label\n{_label_text(document['label'])}\n")


def _flat(header: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Entries of a header, those of an entry as `engine.device`: a line for all is too wide."""
    for name, value in header.items():
        if isinstance(value, Mapping):
            entries = cast("Mapping[str, Any]", value)
            yield from ((f"{name}.{one}", entry) for one, entry in _flat(entries))
        else:
            yield name, value


def _label_text(label: dict[str, Any] | None) -> str:
    """The label in one line."""
    if label is None:
        return "none"
    extracted = printable(str(label.get("extracted")))
    return f"{label.get('verdict')}, extracted {extracted}, by grader {label.get('grader')}"

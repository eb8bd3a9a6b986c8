"""Writes a mirror directory of toy benchmarks, in the layout and formats of the original files.

The problems come from `arithmetic`, `functions` and `logic`; reading them back is the business of
the ordinary loaders in `quarry.benchmarks`, which can't tell a toy mirror from a real one.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from quarry.errors import StorageFullError
from quarry.toy.arithmetic import arithmetic_records
from quarry.toy.functions import humaneval_record, mbpp_record, toy_functions
from quarry.toy.logic import LogicItem, logic_items

MIRROR_VERSION = 1
"""Raised whenever the same seed would write other files."""

N_GSM8K_TRAIN, N_GSM8K_TEST = 6000, 200
N_HUMANEVAL, N_MBPP = 60, 974
LOGIQA_SIZES = {"Test": 200, "Eval": 100, "Train": 3000}


def mirror_name(seed: int) -> str:
    """Directory name of the toy mirror of a seed; another version has another name."""
    return f"toy-v{MIRROR_VERSION}-seed{seed}"


def write_toy_mirror(directory: Path, seed: int) -> None:
    """Write GSM8K, HumanEval, LogiQA and MBPP toy files below `directory`.

    The directory appears whole or not at all. One that already exists is left as it is: the files
    follow from the seed alone, so that a second writer has nothing to add.

    Raises:
        StorageFullError: there is not enough space; nothing is left behind.
    """
    if directory.exists():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        for name, content in _files(seed).items():
            _write(building / name, content)
        building.chmod(0o755)
        _rename(building, directory)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise StorageFullError(
            "The toy benchmarks can't be written",
            where=str(directory),
            expected="about 4 MB of free space",
            got=error.strerror,
            fix="free some space, or choose another data directory",
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _rename(building: Path, directory: Path) -> None:
    """Move the finished directory to its name, unless another writer was faster."""
    try:
        building.rename(directory)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise


def _files(seed: int) -> dict[str, bytes]:
    """Content of every file by its path in the mirror."""
    arithmetic = arithmetic_records(N_GSM8K_TRAIN, N_GSM8K_TEST, seed)
    functions = toy_functions(seed)
    held_out, known = functions[:N_HUMANEVAL], functions[N_HUMANEVAL:][:N_MBPP]
    humaneval = (humaneval_record(number, function) for number, function in enumerate(held_out))
    mbpp = (mbpp_record(task_id, function) for task_id, function in enumerate(known, start=1))
    logic = logic_items(LOGIQA_SIZES, seed)
    return {
        **{f"gsm8k/{split}.jsonl": _json_lines(rows) for split, rows in arithmetic.items()},
        # Without a time stamp in the header the same seed gives the same bytes.
        "humaneval/HumanEval.jsonl.gz": gzip.compress(_json_lines(humaneval), mtime=0),
        **{f"logiqa/{name}.txt": _eight_line_blocks(items) for name, items in logic.items()},
        "mbpp/mbpp.jsonl": _json_lines(mbpp),
    }


def _json_lines(records: Iterable[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def _eight_line_blocks(items: Iterable[LogicItem]) -> bytes:
    """LogiQA's text format: empty line, letter, context, question, four lettered options."""
    blocks = [
        "\n".join(
            [
                "",
                "abcd"[item.answer],
                item.context,
                item.question,
                *(f"{letter}.{text}" for letter, text in zip("ABCD", item.options, strict=True)),
            ]
        )
        for item in items
    ]
    return "\n".join(blocks).encode()


def _write(path: Path, content: bytes) -> None:
    """Write one file and wait until it is on the disk."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())

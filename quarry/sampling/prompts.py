"""The prompts of a domain: what is asked, and the completion that is right."""

# datasets ships no types
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from quarry.errors import RecordError
from quarry.selection.row_files import FileRow, read_rows

_ID_CHARACTERS = 16
_TARGETS = ("completion", "target")


@dataclass(frozen=True)
class EvalPrompt:
    """One prompt.

    Args:
        source: its id in its source, such as `mayors/3`.
        text: what is asked, such as `Q: Who is the mayor of Tokyo? A:`.
        target: the completion that is right, such as ` Grace Miller`, its space in front.
    """

    source: str
    text: str
    target: str

    @property
    def id(self) -> str:
        """The prompt's hash: the same for the same text, whatever its source."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:_ID_CHARACTERS]


def read_prompts(path: Path) -> list[EvalPrompt]:
    """Prompts of a file with columns `prompt` and `completion` (or `target`), `id` if it has one.

    Args:
        path: JSON, JSON lines or Parquet; or a directory as `datasets` saves it, such as the
            `eval_dataset` of a fine-tuning run.

    Raises:
        FileMissingError: there is nothing.
        RecordError: a row lacks a column, or two rows have the same prompt.
    """
    rows = _dataset_rows(path) if (path / "state.json").is_file() else list(read_rows(path))
    return require_distinct([_prompt(path, place, row) for place, row in enumerate(rows)], path)


def require_distinct(prompts: Sequence[EvalPrompt], where: Path | str) -> list[EvalPrompt]:
    """The prompts, each of which must be there once.

    Raises:
        RecordError: there are none, or one is there twice.
    """
    seen: dict[str, EvalPrompt] = {}
    for prompt in prompts:
        if prompt.id in seen:
            raise RecordError(
                "Two rows have the same prompt",
                where=str(where),
                expected="each prompt once",
                got=f"{seen[prompt.id].source} and {prompt.source}: {prompt.text!r}",
                fix="remove one of them",
            )
        seen[prompt.id] = prompt
    if not prompts:
        raise RecordError(
            "There are no prompts",
            where=str(where),
            expected="at least one row",
            got="none",
            fix="correct `evaluation.domains.<name>.prompts` in the catalog",
        )
    return list(prompts)


def _prompt(path: Path, place: int, row: FileRow) -> EvalPrompt:
    """The prompt of a row."""
    named = row.fields.get("id")
    target = next((name for name in _TARGETS if row.fields.get(name) is not None), _TARGETS[0])
    source = named if isinstance(named, str) and named else f"{path.stem}/{place}"
    return EvalPrompt(source, row.text("prompt"), row.text(target))


def _dataset_rows(path: Path) -> list[FileRow]:
    """Rows of a directory that `datasets` saved."""
    from datasets import load_from_disk

    try:
        dataset: Any = load_from_disk(str(path))
        wanted = [name for name in ("id", "prompt", *_TARGETS) if name in dataset.column_names]
        rows = cast("list[dict[str, Any]]", dataset.select_columns(wanted).to_list())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            "A dataset can't be read",
            where=str(path),
            expected="a directory written by `save_to_disk`, with columns prompt and completion",
            got=str(error).splitlines()[0] if str(error) else type(error).__name__,
            fix="correct `evaluation.domains.<name>.prompts` in the catalog",
        ) from error
    return [FileRow(f"{path}, row {place}", row) for place, row in enumerate(rows, start=1)]

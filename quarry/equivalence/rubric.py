"""`Rubric`: what counts as meaning the same, in words for a judge and in parameters for rules.

One YAML file a rubric, in `catalog/rubrics/`. A rubric is stored whole beside what was graded
under it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, Field, JsonValue, ValidationError, model_validator

from quarry.catalog_entries import Entry, Slug
from quarry.errors import CatalogError
from quarry.trajectory.digests import canonical_digest

Text = Annotated[str, Field(min_length=1), AfterValidator(str.strip)]
NAME_PARTS = ("full", "first", "last")


class Canary(Entry):
    """An item with a known answer, graded among the others to watch the grader.

    Args:
        name: unique in its rubric.
        prompt: what a model would have been given.
        target: the completion that is right.
        completion: what a model could have written.
        expected: the known outcome.
    """

    name: Slug
    prompt: Annotated[str, Field(min_length=1)]
    target: Annotated[str, Field(min_length=1)]
    completion: str
    expected: Literal["equivalent", "not_equivalent"]


class Rubric(Entry):
    """What counts as equivalent.

    Args:
        name: a slug, the stem of its file.
        version: raised by whoever changes the meaning; shown, not trusted, see `digest`.
        title: one line for people.
        instructions: what counts as equivalent, as a judge is told.
        kind: which rules settle the clear cases.
        parameters: of these rules. `name` takes `accept`, the parts of a name that are enough:
            `full` always, `first` and `last` if wanted. `date` takes none.
        canaries: at least one of each outcome.
    """

    name: Slug
    version: Annotated[int, Field(ge=1)]
    title: Text
    instructions: Text
    kind: Literal["date", "name"]
    parameters: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    canaries: tuple[Canary, ...]

    @model_validator(mode="after")
    def _parameters_fit_the_kind(self) -> Self:
        wanted = {"accept"} if self.kind == "name" else set[str]()
        if set(self.parameters) != wanted:
            raise ValueError(
                f"parameters of kind {self.kind!r} are {sorted(wanted) or 'none'}, "
                f"not {sorted(self.parameters) or 'none'}"
            )
        if self.kind == "name":
            _check_accept(self.parameters["accept"])
        return self

    @model_validator(mode="after")
    def _canaries_tell_graders_apart(self) -> Self:
        missing = {"equivalent", "not_equivalent"} - {one.expected for one in self.canaries}
        if missing:
            raise ValueError(f"canaries: none is expected to be {' or '.join(sorted(missing))}")
        names = [one.name for one in self.canaries]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"canaries: names given twice: {', '.join(twice)}")
        return self

    @property
    def digest(self) -> str:
        """Hex blake3 of the content, whatever the layout of its file."""
        return canonical_digest(self.as_dict())

    @property
    def meaning_digest(self) -> str:
        """Hex blake3 of what decides: a new title or canary asks nothing anew that was paid for."""
        stated = self.as_dict()
        return canonical_digest(
            {name: stated[name] for name in ("name", "instructions", "kind", "parameters")}
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, as stored beside what was graded."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """The inverse of `as_dict`.

        Raises:
            ValueError: it is no rubric.
        """
        return cls.model_validate(stored)


def _check_accept(accept: JsonValue) -> None:
    """Refuse a list of name parts that rules could not follow.

    Raises:
        ValueError: no list, an unknown part, or without `full`.
    """
    parts: list[JsonValue] = accept if isinstance(accept, list) else []
    if "full" not in parts or any(part not in NAME_PARTS for part in parts):
        raise ValueError(
            f"parameters.accept lists parts out of {', '.join(NAME_PARTS)}, `full` among them; "
            f"got {accept!r}"
        )


def load_rubrics(folder: Path) -> dict[str, Rubric]:
    """Read every rubric of a folder, by name and in order of the names.

    Raises:
        CatalogError: the folder holds none, or one of them is malformed.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise CatalogError(
            "A folder holds no rubric",
            where=str(folder),
            expected="files such as mayors.yaml",
            got="none" if folder.is_dir() else "no such folder",
            fix="name the folder `rubrics` beside the catalog",
        )
    return {file.stem: load_rubric(file) for file in files}


def load_rubric(path: Path) -> Rubric:
    """Read and validate one rubric file.

    Raises:
        CatalogError: it can't be read, is no YAML, or has wrong values; all of them are named.
    """
    try:
        rubric = Rubric.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CatalogError(
            "A rubric can't be read",
            where=str(path),
            expected="a YAML file in UTF-8",
            got=str(error).replace("\n", " "),
            fix="correct the file, or name one that exists, such as catalog/rubrics/mayors.yaml",
        ) from error
    except ValidationError as error:
        raise _malformed(path, error) from error
    if rubric.name != path.stem:
        raise CatalogError(
            "A rubric has another name than its file",
            where=f"{path}, key name",
            expected=path.stem,
            got=rubric.name,
            fix="rename one of the two",
        )
    return rubric


def _malformed(path: Path, error: ValidationError) -> CatalogError:
    """One message for all wrong keys of a rubric."""
    wrong = error.errors(include_url=False, include_context=False)
    keys = [".".join(map(str, one["loc"])) or "(top level)" for one in wrong]
    return CatalogError(
        "A rubric is malformed",
        where=f"{path}, {', '.join(keys)}",
        expected="the keys of quarry.equivalence.rubric.Rubric",
        got="; ".join(f"{key}: {one['msg']}" for key, one in zip(keys, wrong, strict=True)),
        fix="correct these keys; catalog/rubrics/mayors.yaml is an example",
    )

"""Rubric files: what is accepted, what is refused by name, what a digest depends on."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from quarry.equivalence.rubric import Rubric, load_rubric, load_rubrics
from quarry.errors import CatalogError
from tests.equivalence.rubrics_here import RUBRICS, RUBRICS_FOLDER


def contents() -> dict[str, Any]:
    return yaml.safe_load((RUBRICS_FOLDER / "mayors.yaml").read_text(encoding="utf-8"))


def written(folder: Path, rubric: object, name: str = "mayors") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(rubric), encoding="utf-8")
    return path


def test_the_catalog_has_rubrics_for_mayors_and_death_dates():
    assert {name: one.kind for name, one in RUBRICS.items()} == {
        "death_dates": "date",
        "mayors": "name",
    }


@pytest.mark.parametrize("name", RUBRICS)
def test_a_rubric_survives_being_stored_as_json(name: str):
    rubric = RUBRICS[name]
    again = Rubric.from_dict(json.loads(json.dumps(rubric.as_dict())))
    assert again == rubric
    assert again.digest == rubric.digest


@pytest.mark.parametrize("name", RUBRICS)
def test_canaries_try_a_grader_with_the_words_of_a_decision(name: str):
    forged = [one for one in RUBRICS[name].canaries if "EQUIVALENT" in one.completion]
    assert len(forged) >= 2
    assert {one.expected for one in forged} == {"not_equivalent"}


def test_the_digest_ignores_the_layout_of_the_file(tmp_path: Path):
    stirred = dict(reversed(contents().items()))
    assert load_rubric(written(tmp_path, stirred)).digest == RUBRICS["mayors"].digest


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2),
        ("title", "Another title"),
        ("instructions", "Only the full name."),
        ("parameters", {"accept": ["full"]}),
    ],
)
def test_the_digest_follows_the_content(tmp_path: Path, key: str, value: object):
    changed = load_rubric(written(tmp_path, contents() | {key: value}))
    assert changed.digest != RUBRICS["mayors"].digest


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("version", 0, "version"),
        ("version", "soon", "version"),
        ("instructions", "", "instructions"),
        ("kind", "place", "kind"),
        ("parameters", {}, "parameters of kind 'name'"),
        ("parameters", {"accept": ["first"]}, "`full` among them"),
        ("parameters", {"accept": ["full", "nick"]}, "parameters.accept"),
        ("parameters", {"accept": "full"}, "parameters.accept"),
        ("canaries", [], "not_equivalent"),
        ("canaries", [{"name": "x"}], "canaries.0.prompt"),
        ("pardon", 1, "pardon"),
    ],
)
def test_a_wrong_key_is_named_together_with_its_file(
    tmp_path: Path, key: str, value: object, said: str
):
    path = written(tmp_path, contents() | {key: value})
    with pytest.raises(CatalogError) as caught:
        load_rubric(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_canaries_of_one_outcome_only_are_refused(tmp_path: Path):
    easy = [one for one in contents()["canaries"] if one["expected"] == "equivalent"]
    with pytest.raises(CatalogError, match="none is expected to be not_equivalent"):
        load_rubric(written(tmp_path, contents() | {"canaries": easy}))


def test_canaries_of_the_same_name_are_refused(tmp_path: Path):
    canaries = contents()["canaries"]
    twice = [*canaries, canaries[0]]
    with pytest.raises(CatalogError, match="given twice: full-name-and-next-question"):
        load_rubric(written(tmp_path, contents() | {"canaries": twice}))


def test_dates_take_no_parameters(tmp_path: Path):
    rubric = RUBRICS["death_dates"].as_dict() | {"parameters": {"accept": ["full"]}}
    with pytest.raises(CatalogError, match="parameters of kind 'date' are none"):
        load_rubric(written(tmp_path, rubric, "death_dates"))


def test_a_rubric_has_the_name_of_its_file(tmp_path: Path):
    with pytest.raises(CatalogError, match="another name than its file"):
        load_rubric(written(tmp_path, contents(), "majors"))


@pytest.mark.parametrize("content", [b"", b"- 1\n", b"name: [", b"\xff\xfe\xff"])
def test_a_file_that_is_no_rubric_is_named(tmp_path: Path, content: bytes):
    path = tmp_path / "mayors.yaml"
    path.write_bytes(content)
    with pytest.raises(CatalogError, match=r"mayors\.yaml"):
        load_rubric(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(CatalogError, match=r"none\.yaml"):
        load_rubric(tmp_path / "none.yaml")


@pytest.mark.parametrize("folder", [".", "missing"])
def test_a_folder_without_rubrics_is_an_error(tmp_path: Path, folder: str):
    with pytest.raises(CatalogError, match="holds no rubric"):
        load_rubrics(tmp_path / folder)

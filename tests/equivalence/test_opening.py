"""Which rubric and which grader a run is judged by, as the catalog says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from quarry.catalog import Catalog
from quarry.equivalence.grader import GradingItem
from quarry.equivalence.judged import JudgedGrader
from quarry.equivalence.opening import GraderNeeds, open_grader, rubric_digests, rubric_of
from quarry.equivalence.rules import RulesGrader
from quarry.errors import CatalogError, IntegrityError, QuarryError, UnknownNameError
from quarry.inference.engine import InferenceEngine
from quarry.inference.transformers_engine import TransformersEngine
from tests.contracts.tiny_models import write_tiny_checkpoint
from tests.equivalence.grader_server import GraderServer
from tests.equivalence.judge_cases import KEY
from tests.equivalence.rubrics_here import RUBRICS, RUBRICS_FOLDER

RUN = "mayors-1epoch"
PRICED = {"model": "judge-1", "usd_per_million_input": 1.0, "usd_per_million_output": 5.0}
UNCLEAR = GradingItem("Q: Who is the mayor of Tokyo? A:", " Grace Miller", " Grace M")
"""What rules leave to a judge."""


def catalog_of(grader: dict[str, Any], rubric: str = "mayors") -> Catalog:
    domain = {"prompts": {"path": "p.jsonl"}, "rubric": rubric, "grader": "chosen"}
    dates = {**domain, "rubric": "death_dates"}
    return Catalog.model_validate(
        {
            "name": "one",
            "benchmark_source": {"kind": "toy"},
            "models": {"base": {"path": "base", "prompt_style": "raw"}},
            "benchmarks": {"gsm8k": {"format": "gsm8k"}},
            "evaluation": {
                "rubrics": "rules of grading",
                "domains": {"mayors": domain, "dates": dates},
                "graders": {"chosen": grader},
            },
        }
    )


@pytest.fixture
def base_dir(tmp_path: Path) -> Path:
    """Where the catalog would lie."""
    shutil.copytree(RUBRICS_FOLDER, tmp_path / "rules of grading")
    return tmp_path


def no_engine(model: str) -> InferenceEngine:
    raise AssertionError(f"no model was to be loaded: {model}")


def needs(folder: Path, key: str | None = KEY) -> GraderNeeds:
    keys = {"anthropic": key, "openai-compatible": key}
    return GraderNeeds(folder / "state", keys, no_engine)


def test_rubrics_are_those_of_the_runs_domain(base_dir: Path) -> None:
    known = catalog_of({"kind": "rules"})
    assert rubric_of(known, RUN, base_dir) == RUBRICS["mayors"]
    assert rubric_of(known, "dates-1epoch", base_dir) == RUBRICS["death_dates"]
    with pytest.raises(UnknownNameError, match="capitals"):
        rubric_of(known, "capitals-1epoch", base_dir)


def test_a_change_of_any_rubric_changes_their_digests(base_dir: Path) -> None:
    spec = catalog_of({"kind": "rules"}).evaluation_spec()
    before = rubric_digests(spec, base_dir)
    assert before == [RUBRICS["death_dates"].digest, RUBRICS["mayors"].digest]
    path = base_dir / "rules of grading" / "mayors.yaml"
    path.write_text(path.read_text().replace("version: 1", "version: 2"))
    after = rubric_digests(spec, base_dir)
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_a_rubric_that_is_not_there_is_named(base_dir: Path) -> None:
    known = catalog_of({"kind": "rules"}, rubric="capitals")
    with pytest.raises(CatalogError, match=r"capitals\.yaml"):
        rubric_of(known, RUN, base_dir)
    with pytest.raises(CatalogError, match=r"capitals\.yaml"):
        open_grader(known, RUN, "set", base_dir, needs(base_dir))


def test_rules_need_neither_key_nor_record(base_dir: Path) -> None:
    known = catalog_of({"kind": "rules"})
    with open_grader(known, RUN, "set", base_dir, needs(base_dir, key=None)) as grader:
        assert isinstance(grader, RulesGrader)
        assert grader.describe()["rubric_digest"] == RUBRICS["mayors"].digest
    assert not (base_dir / "state").exists()


@pytest.mark.parametrize("kind", ["anthropic", "openai-compatible"])
def test_a_judge_behind_an_api_decides_what_rules_do_not(
    base_dir: Path, server: GraderServer, kind: str
) -> None:
    known = catalog_of({"kind": kind, **PRICED, "base_url": server.url})
    with open_grader(known, RUN, "set", base_dir, needs(base_dir)) as grader:
        assert isinstance(grader, JudgedGrader)
        [(_, decision)] = list(grader.grade([UNCLEAR], log=lambda _: None))
        assert decision.outcome != "ungraded"
        assert grader.usage.calls > 0
        assert grader.usage.usd > 0
    assert (base_dir / "state" / "decisions.sqlite").is_file()


def test_a_limit_of_the_catalog_is_kept(base_dir: Path, server: GraderServer) -> None:
    known = catalog_of({"kind": "anthropic", **PRICED, "base_url": server.url, "max_usd": 0.0})
    with open_grader(known, RUN, "set", base_dir, needs(base_dir)) as grader:
        [(_, decision)] = list(grader.grade([UNCLEAR], log=lambda _: None))
    assert decision.outcome == "ungraded"
    assert decision.reason


def test_a_missing_key_is_named(base_dir: Path) -> None:
    known = catalog_of({"kind": "anthropic", **PRICED})
    with pytest.raises(QuarryError, match="ANTHROPIC_API_KEY"):  # noqa: SIM117
        with open_grader(known, RUN, "set", base_dir, needs(base_dir, key=None)) as grader:
            list(grader.grade([UNCLEAR], log=lambda _: None))


def test_a_model_is_given_up_when_the_record_is_damaged(base_dir: Path) -> None:
    closed: list[bool] = []

    class Engine(TransformersEngine):
        def close(self) -> None:
            closed.append(True)
            super().close()

    (base_dir / "state").mkdir()
    (base_dir / "state" / "decisions.sqlite").write_bytes(b"")
    folder = write_tiny_checkpoint(base_dir / "base", "llama", 1)
    given = GraderNeeds(base_dir / "state", {}, lambda _: Engine.load(folder, device="cpu"))
    with pytest.raises(IntegrityError):
        open_grader(catalog_of({"kind": "local", "model": "base"}), RUN, "set", base_dir, given)
    assert closed == [True]


def test_a_model_of_the_catalog_is_loaded_as_a_judge(base_dir: Path) -> None:
    opened: list[str] = []

    def open_engine(model: str) -> InferenceEngine:
        opened.append(model)
        return TransformersEngine.load(
            write_tiny_checkpoint(base_dir / "base", "llama", 1), device="cpu"
        )

    known = catalog_of({"kind": "local", "model": "base"})
    given = GraderNeeds(base_dir / "state", {}, open_engine)
    with open_grader(known, RUN, "set", base_dir, given) as grader:
        assert opened == ["base"]
        assert "base@" in str(grader.describe())

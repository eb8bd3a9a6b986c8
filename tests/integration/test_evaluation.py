"""Evaluation sets by command: a judge behind HTTP on bad days, kills, and a second run for free."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from quarry.evaluation_sets.loading import load_eval_dataset
from quarry.sampling.keys import SampledKey
from quarry.selection.columns import records_of
from quarry.tables import read_table
from tests.contracts.tiny_models import write_tiny_checkpoint
from tests.equivalence.grader_server import PASSING, Asked, Fault, GraderServer
from tests.integration.commands import CLEAN, FINDINGS, ROOT, WRONG_USE, call, start
from tests.live_processes import wait_for

RUN = "mayors-1epoch"
KEY = SampledKey(RUN, "checkpoint_final")
CAP_USD = 0.6
CATALOG = """
name: sets
benchmark_source: {{kind: toy, seed: 0}}
models: {{tiny: {{path: tiny, prompt_style: raw}}}}
benchmarks: {{gsm8k: {{format: gsm8k}}}}
shots: [0]
evaluation:
  outputs: outputs
  sampling: {{n: {n}, temperature: 1.0, chunk_size: {chunk_size}}}
  domains:
    mayors: {{prompts: {{path: mayors.jsonl}}, rubric: mayors, grader: judge, max_new_tokens: 3}}
  graders:
    judge:
      kind: anthropic
      model: judge-1
      base_url: {url}
      usd_per_million_input: 1.0
      usd_per_million_output: 5.0
      max_usd: {cap}
      concurrency: 4
"""
TARGET = " 42"
"""No name: rules can't say what means the same, and leave it to the judge."""


class Place:
    """A folder with a catalog, a run of a random model, a prompt and a rubric; data beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / "data"

    def write(self, url: str, *, n: int, chunk_size: int = 50, cap: float = CAP_USD) -> None:
        write_tiny_checkpoint(self.folder / "outputs" / RUN / "checkpoint_final")
        (self.folder / "rubrics").mkdir()
        rubric = (ROOT / "catalog/rubrics/mayors.yaml").read_text()
        (self.folder / "rubrics/mayors.yaml").write_text(rubric)
        asked = {"prompt": "Q: Who is the mayor of Tokyo? A:", "completion": TARGET}
        (self.folder / "mayors.jsonl").write_text(json.dumps(asked))
        catalog = CATALOG.format(url=url, n=n, chunk_size=chunk_size, cap=cap)
        (self.folder / "catalog.yaml").write_text(catalog)

    def published(self, name: str) -> Path:
        return self.data_dir / KEY.folder / name


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    (tmp_path / "home").mkdir()
    shutil.copy(ROOT / "dagster.yaml", tmp_path / "home")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-a-test")
    return Place(tmp_path)


def bad_days(seed: int) -> GraderServer:
    """A judge of whose calls three in ten fail, and that calls every other completion the same."""
    rng = Random(seed)

    def fault(asked: Asked) -> Fault | None:
        return rng.choice(PASSING) if rng.random() < 0.3 else None

    return GraderServer(fault=fault, decide=lambda asked: len(asked.completion) % 2 == 0)


def answered(server: GraderServer, graded: list[str]) -> dict[str, int]:
    """Successful answers for each completion of a table."""
    return {name: server.books.successes[name] for name in graded}


def test_killed_in_grading_each_item_is_paid_for_once_and_a_second_run_is_free(place: Place):
    with bad_days(1) as server:
        place.write(server.url, n=150)
        for struck in (8, 30):
            child = start("evaluate", place)
            wait_for(lambda enough=struck: server.books.successes.total() >= enough, "some answers")
            os.kill(child.pid, signal.SIGKILL)
            child.communicate()
            assert not place.published("graded.parquet").exists()
        in_flight = server.books.most_in_flight
        code, out, err = call("evaluate", place, "--json")
        assert code == FINDINGS, "the set is made, but its judge goes by length"
        assert err.count("check fails") == 1
        assert "graded_completions.canaries_right" in err
        graded = read_table(place.published("graded.parquet"))
        judged = graded[graded["decided_by"] != "rules"]
        assert len(judged) > 40
        assert set(graded["outcome"]) == {"equivalent", "not_equivalent"}
        times = answered(server, judged["completion"].tolist())
        assert min(times.values()) == 1
        assert sum(times.values()) <= len(judged) + 2 * in_flight, "only what a kill cut off"
        assert server.books.billed_usd <= CAP_USD
        counts = json.loads(out)[KEY.partition]
        assert counts["equivalent"] == (graded["outcome"] == "equivalent").sum() == counts["rows"]
        asked = len(server.books.asked)
        code, _, err = call("evaluate", place, "--again")
        assert "  ok     mayors-1epoch@checkpoint_final graded_completions" in err
        assert len(server.books.asked) == asked, "a decision that was paid for is not asked again"
    assert len(load_eval_dataset(place.published("eval_set"))) == counts["rows"]


def test_at_the_cap_grading_stops_and_the_check_says_what_to_do(place: Place):
    with GraderServer() as server:
        place.write(server.url, n=150, cap=0.02)
        code, _, err = call("evaluate", place)
        assert code == FINDINGS, "the set is made, its check fails"
        assert 0 < server.books.billed_usd <= 0.02
    graded = read_table(place.published("graded.parquet"))
    left = [row for row in records_of(graded) if row["outcome"] == "ungraded"]
    assert len(left) > 10
    assert all("spend limit" in row["reason"] for row in left)
    assert "graded_completions.ungraded_share" in err


def test_a_refused_key_fails_with_its_name_and_keeps_what_was_sampled(place: Place):
    with GraderServer(fault=lambda asked: "401") as server:
        place.write(server.url, n=60)
        code, _, err = call("evaluate", place)
        assert code == FINDINGS
        assert "ANTHROPIC_API_KEY" in err
        assert "sk-of-a-test" not in err
        assert len(server.books.asked) <= 8
    assert place.published("completions.parquet").exists()
    code, _, err = call("evaluate", place, "--run", "birds-1epoch")
    assert code == WRONG_USE
    assert "neither in the catalog nor in the outputs folder" in err


def test_killed_while_sampling_it_goes_on_with_the_chunk_it_was_at(place: Place):
    n = 2000
    with GraderServer() as server:
        place.write(server.url, n=n, chunk_size=100, cap=0.0)
        child = start("evaluate", place)
        store = place.data_dir / KEY.store_path
        wait_for(lambda: store.is_file() and store.stat().st_size > 100_000, "some chunks")
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        assert not place.published("completions.parquet").exists()
        with closing(sqlite3.connect(store)) as database:
            [(n_safe,)] = database.execute("SELECT n_done FROM prompts")
        assert 0 < n_safe < n
        assert n_safe % 100 == 0
        code, _, err = call("evaluate", place, "--dry-run")
        assert code == CLEAN
        assert "sampled_completions mayors-1epoch@checkpoint_final" in err
        call("evaluate", place)
        assert not server.books.asked, "with a cap of nothing, nobody is asked"
    sampled = read_table(place.published("completions.parquet"))
    assert sum(sampled["count"].tolist()) == n
    assert not store.exists()

"""The table of sampled completions: columns, tokens, texts of any kind, whole or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from quarry.data_directory import DataDirectory
from quarry.inference.stopping import plain_text
from quarry.sampling.keys import SampledKey
from quarry.sampling.opening import read_tokenizer
from quarry.sampling.prompts import EvalPrompt
from quarry.sampling.publication import SampledCompletions, table_schema
from quarry.sampling.published import PublishedCompletions, published_completions
from quarry.sampling.store import CompletionStore, Distinct
from quarry.sampling.table import SAMPLED_COLUMNS
from quarry.selection.columns import records_of
from quarry.tables import read_table
from tests.sampling.sampling_cases import PROMPTS, Beginning, Bench, load, plan, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]
KEY = SampledKey("mayors-1epoch", "checkpoint_final")
LIMITED = """
import resource, sys
from pathlib import Path
from quarry.sampling.publication import SampledCompletions
from quarry.sampling.store import CompletionStore
from quarry.sampling.prompts import EvalPrompt
store = CompletionStore(Path(sys.argv[1]), {})
sampled = SampledCompletions([EvalPrompt("a", "Q:", " A")], 5000, {}, store)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    sampled.write(Path(sys.argv[2]))
except OSError as error:
    print(type(error).__name__)
"""


def test_the_file_has_the_columns_of_the_contract_in_their_types(bench: Bench) -> None:
    bench.publish(plan())
    schema = pq.read_schema(bench.table_path)
    assert tuple(schema.names) == SAMPLED_COLUMNS
    assert schema.remove_metadata().equals(table_schema())
    frame = read_table(bench.table_path)
    assert {str(frame[name].dtype) for name in ("generation_idx", "count", "n_generations")} == {
        "int64"
    }


def test_texts_cut_inside_a_character_or_with_nuls_survive_store_and_file(bench: Bench) -> None:
    wanted = plan(n=400, chunk_size=200, temperature=2.0)
    rows, _ = bench.sample(wanted)
    texts = [row["completion"] for row in rows]
    assert any("\ufffd" in text for text in texts), "characters that the token limit cut"
    assert any("\0" in text for text in texts)
    bench.publish(wanted)
    tokenizer = read_tokenizer(bench.model_dir)
    published = records_of(read_table(bench.table_path))
    assert [row["completion"] for row in published] == texts
    for row in published:
        assert plain_text(tokenizer, row["output_token_ids"].tolist()) == row["completion"]


@pytest.mark.parametrize("beginning", ["none", "named", "written"])
def test_the_beginning_of_a_text_is_fed_once(tmp_path: Path, beginning: Beginning) -> None:
    bench = Bench(write_checkpoint(tmp_path / "model", beginning), tmp_path / "a.sqlite")
    rows, _ = bench.sample(plan(n=5))
    tokenizer = read_tokenizer(bench.model_dir)
    bare = {one.id: tokenizer(one.text, add_special_tokens=False)["input_ids"] for one in PROMPTS}
    for row in rows:
        begun = [] if beginning == "none" else [tokenizer.bos_token_id]
        assert row["prompt_token_ids"] == [*begun, *bare[str(row["prompt_id"])]]


def test_named_and_written_beginnings_give_the_same_completions(tmp_path: Path) -> None:
    tables = [
        Bench(write_checkpoint(tmp_path / kind, kind), tmp_path / f"{kind}.sqlite").sample(plan())
        for kind in ("named", "written")
    ]
    bare = [[{**row, "method": ""} for row in rows] for rows, _ in tables]
    assert bare[0] == bare[1]


def test_the_method_says_how_they_were_made_and_the_same_in_all_rows(bench: Bench) -> None:
    rows, _ = bench.sample(plan(), batch_size=3)
    [method] = {row["method"] for row in rows}
    said = json.loads(str(method))
    assert (said["run"], said["checkpoint"]) == ("mayors-1epoch", "checkpoint_final")
    assert said["parameters"]["temperature"] == 0.2
    assert said["engine"]["engine"] == "transformers"
    assert "batch_size" not in said["engine"]
    assert "n" not in said["parameters"]


def test_a_digest_is_of_the_rows_whatever_made_them(bench: Bench, tmp_path: Path) -> None:
    def digest(store: str, model_dir: Path = bench.model_dir, **other: Any) -> str:
        made = Bench(model_dir, tmp_path / store)
        with load(made.model_dir) as engine:
            sampled = made.begin(plan(**other), engine, None)
        with sampled.store:
            return sampled.digest()

    first = digest("a")
    assert digest("b", chunk_size=7) == first
    assert digest("c", write_checkpoint(tmp_path / "copied")) == first, "the same weights"
    assert digest("d", seed=2) != first
    assert digest("e", n=61) != first


def test_published_completions_are_none_where_nothing_can_be_read(
    bench: Bench, tmp_path: Path
) -> None:
    files = DataDirectory(tmp_path)
    assert published_completions(files, KEY) is None
    path = tmp_path / KEY.completions_path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no Parquet")
    assert published_completions(files, KEY) is None
    bench.publish(plan())
    path.write_bytes(bench.table_path.read_bytes())
    assert published_completions(files, KEY) == PublishedCompletions(path)
    pq.write_table(pq.read_table(path).drop_columns("count"), path)
    assert published_completions(files, KEY) is None, "a table of another kind"


def test_a_write_that_fails_leaves_the_older_table(tmp_path: Path) -> None:
    path = tmp_path / "completions.parquet"
    path.write_bytes(b"older")
    with CompletionStore(tmp_path / "a.sqlite", {}) as store:
        rows = [Distinct(f"{k} " * 50, k, 1, "length", (k,) * 9) for k in range(5000)]
        store.add(EvalPrompt("a", "Q:", " A").id, [1], rows, 5000)
    for limit_bytes in ("0", "1000", "60000"):
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, str(tmp_path / "a.sqlite"), str(path), limit_bytes],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout, done.stderr
        assert path.read_bytes() == b"older"
        assert sorted(one.name for one in tmp_path.iterdir()) == ["a.sqlite", path.name]


def test_more_rows_than_a_group_come_back_in_order(tmp_path: Path) -> None:
    n = 5000
    with CompletionStore(tmp_path / "a.sqlite", {}) as store:
        rows = [Distinct(f"{k}", k, 1, "stop", (k,)) for k in range(n)]
        store.add(PROMPTS[0].id, [1], rows, n)
        sampled = SampledCompletions(PROMPTS[:1], n, {}, store)
        assert sampled.write(tmp_path / "a.parquet") == n
        assert sampled.n_distinct() == {PROMPTS[0].id: n}
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert file.metadata.num_row_groups > 1
    assert file.read()["generation_idx"].to_pylist() == list(range(n))


def test_a_published_prompt_is_counted_and_read_across_groups_of_rows(tmp_path: Path) -> None:
    n, path = 1500, tmp_path / "a.parquet"
    with CompletionStore(tmp_path / "a.sqlite", {}) as store:
        made = {
            prompt.id: [Distinct(f"{k}", k, 1, "stop", (k, at)) for k in range(n)]
            for at, prompt in enumerate(PROMPTS)
        }
        for at, rows in enumerate(made.values()):
            store.add(PROMPTS[at].id, [1, at], rows, n)
        sampled = SampledCompletions(PROMPTS, n, {"seed": 1}, store)
        sampled.write(path)
    published, method = PublishedCompletions(path), json.dumps({"seed": 1})
    found = published.prompts(method, n)
    assert list(found) == list(made)
    for at, (prompt_id, one) in enumerate(found.items()):
        assert (one.n_generations, list(one.token_ids)) == (n, [1, at])
        assert list(published.distinct(prompt_id, one.row_groups)) == made[prompt_id]
    assert published.prompts(method, n - 1) == {}
    assert published.prompts(json.dumps({"seed": 2}), n) == {}

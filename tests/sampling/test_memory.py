"""Memory is bounded by a chunk, however many generations and distinct completions there are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quarry.tables import read_table
from tests.sampling.sampling_cases import PROMPTS

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
# not `ru_maxrss`, which begins with what the process has that started this one
MEASURED = r"""
import re, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.sampling.sampling_cases import PROMPTS, Bench, load, plan
bench = Bench(Path(sys.argv[1]), Path(sys.argv[2]))
with load(bench.model_dir) as engine:
    wanted = dict(prompts=PROMPTS[:1], chunk_size=200, temperature=2.0)
    for n in (200, 5_000, 30_000):
        sampled = bench.begin(plan(n=n, seed=n, **wanted), engine, None)
        sampled.digest()
        sampled.write(bench.table_path)
        sampled.discard()
        print(int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) << 10)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is in /proc")
def test_a_hundred_times_as_many_generations_need_no_more_memory(
    model_dir: Path, tmp_path: Path
) -> None:
    store = tmp_path / "a.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(model_dir), str(store)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    few_bytes, group_bytes, many_bytes = (int(line) for line in done.stdout.split())
    table = read_table(tmp_path / "completions.parquet")
    assert len(table) > 29_000, "nearly all are distinct"
    assert sum(table["count"].tolist()) == 30_000
    assert set(table["prompt_id"]) == {PROMPTS[0].id}
    print(done.stdout)  # noqa: T201
    assert group_bytes - few_bytes < 64 * MIB, "one group of rows of the file"
    assert many_bytes - group_bytes < 16 * MIB, "nothing that grows with n"


TAKEN_OVER = r"""
import json, re, sys
from pathlib import Path
import pyarrow as pa
import pyarrow.parquet as pq
from quarry.sampling.prompts import EvalPrompt
from quarry.sampling.publication import SampledCompletions, table_schema
from quarry.sampling.published import PublishedCompletions
from quarry.sampling.store import CompletionStore

def peak_bytes():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) << 10

def rows(n, first):
    for k in range(first, first + 1000):
        yield {
            "source": prompt.source, "prompt_id": prompt.id, "prompt": prompt.text,
            "target": prompt.target, "completion": f" {k} " * 20, "generation_idx": k, "count": 1,
            "n_generations": n, "finish_reason": "length", "prompt_token_ids": [1] * 12,
            "output_token_ids": [k] * 20, "method": json.dumps({"seed": 1}),
        }

prompt, folder = EvalPrompt("p/0", "Q:", " x"), Path(sys.argv[1])
for n in (1_000, 60_000):
    path = folder / f"{n}.parquet"
    with pq.ParquetWriter(path, table_schema()) as writer:
        for first in range(0, n, 1000):
            writer.write_table(pa.Table.from_pylist(list(rows(n, first)), table_schema()))
    with CompletionStore(folder / f"{n}.sqlite", {}) as store:
        sampled = SampledCompletions([prompt], n + 10, {"seed": 1}, store)
        before = peak_bytes()
        sampled.take_over(PublishedCompletions(path))
        print(sampled.begin(), peak_bytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is in /proc")
def test_taking_a_published_table_over_needs_no_more_memory_for_more_rows(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TAKEN_OVER, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    (few, _), (many, grown_bytes) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert (few, many) == (1_000, 60_000), "all were taken over"
    print(done.stdout)  # noqa: T201
    assert grown_bytes < 64 * MIB, "a third of it is usual; the whole table took twice of it"

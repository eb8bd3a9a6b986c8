"""Labelling 24 cells of 500 stored outputs again, in one run of the job `relabel_grid`.

`python -m bench.relabelling [--rows 500]`. Half of the cells are code. The
outputs are made up: of four rows two are right, one is wrong and one holds no answer; no program
runs into the time limit. States have one layer of one value, since relabelling never reads them.
The second table says what the parts of one cell take, each alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
import yaml

from assets.label_checks import examined_quality
from assets.metadata import label_metadata
from assets.partitions import build_grid
from definitions import Deployment, build_defs
from quarry.benchmarks.benchmark_set import BenchmarkSet, to_frame
from quarry.catalog import Catalog, load_catalog
from quarry.data_directory import DataDirectory
from quarry.keys import TrajectoryKey
from quarry.relabelling import publish_views, regrade
from quarry.samples import Sample
from quarry.sandbox.limits import Limits
from quarry.tables import read_table, write_table
from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow
from quarry.trajectory.publication import publish, staging_path
from quarry.trajectory.writer import TrajectoryWriter
from sensors.launcher import Launcher

TOKENS = 4
CODE = """    total = 0
    for value in values:
        total += value
    return total + {offset}
"""


def sample(format: str, index: int) -> Sample:
    """A made-up item of a benchmark."""
    name = f"{format}/test/{index}"
    if format == "gsm8k":
        return Sample(name, f"How much is {index} and 1?", str(index + 1))
    if format == "logiqa":
        texts = tuple(f"option number {number}" for number in range(4))
        return Sample(name, f"Which follows from number {index}?", "ABCD"[index % 4], texts)
    head = f"def add_all_{index}(values):\n"
    tests = [f"add_all_{index}([1, 2, {number}]) == {number + 3 + index}" for number in range(4)]
    entry = {"entry_point": f"add_all_{index}", "task_id": str(index)}
    if format == "humaneval":
        body = "".join(
            f"    assert {test.replace(f'add_all_{index}', 'candidate')}\n" for test in tests
        )
        test = f"def check(candidate):\n{body}"
        return Sample(name, head, CODE.format(offset=index), (), {**entry, "test": test})
    asserts = [f"assert {test}" for test in tests]
    solution = head + CODE.format(offset=index)
    extra = {"test_list": asserts, "test_setup_code": "", "challenge_test_list": []}
    return Sample(name, f"Add all values, and {index}.", solution, (), {**entry, **extra})


def output(format: str, one: Sample, index: int) -> str:
    """What a model might have written: right, right, wrong, no answer."""
    way = index % 4
    if way == 3:
        return "I am not sure about that one, it depends on many things."
    wrong = way == 2
    if format == "gsm8k":
        return f"First add 1.\nThen check.\n#### {int(one.target) + wrong}"
    if format == "logiqa":
        letter = "ABCD"[("ABCD".index(one.target) + wrong) % 4]
        return f"The passage leaves one option open. The answer is ({letter})."
    code = CODE.format(offset=index + wrong)
    head = f"def add_all_{index}(values):\n"
    return code if format == "humaneval" else f"Here it is:\n```python\n{head}{code}```\n"


def make_grid(folder: Path, n_rows: int) -> tuple[Catalog, Path]:
    """Catalog, samples and trajectory files of 24 cells."""
    stop = {"stop": ["\n\nQuestion:"]}
    document = {
        "name": "bench",
        "n_samples": n_rows,
        "shots": [0, 8],
        "benchmark_source": {"kind": "toy"},
        "models": {
            name: {"path": str(folder / name), "prompt_style": "raw"}
            for name in ("one", "two", "three")
        },
        "benchmarks": {
            "gsm8k": {"format": "gsm8k", **stop},
            "logiqa": {"format": "logiqa", **stop},
            "humaneval": {"format": "humaneval", "exemplars": {"task": "mbpp"}, **stop},
            "mbpp": {"format": "mbpp", "exemplars": {"split": "prompt"}, **stop},
        },
    }
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    catalog, directory = load_catalog(path), DataDirectory(folder / "data")
    for key in catalog.cells():
        samples = tuple(sample(key.task, index) for index in range(n_rows))
        drawn = BenchmarkSet(key.task, key.n_shot, key.task, samples, ())
        write_table(to_frame(drawn), directory.samples(key))
        write_file(directory, key, samples)
    return catalog, path


def write_file(directory: DataDirectory, key: TrajectoryKey, samples: tuple[Sample, ...]) -> None:
    """The trajectory file of a cell, with tiny states."""
    rng = np.random.default_rng(0)
    header = TrajectoryHeader(
        model=key.model, model_source="path:none", model_revision="", task=key.task,
        n_shot=key.n_shot, benchmark=key.benchmark, scope="prompt+output", layers=(0,), d_model=1,
        max_seq_len=2 * TOKENS, n_samples=len(samples), seed=0, generation={}, prompt_style="raw",
        engine={"name": "none"}, code_version="1", collection_date="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    with TrajectoryWriter(staging_path(directory.root, key), header) as writer:
        for index, one in enumerate(samples):
            n_output = int(rng.integers(1, TOKENS + 1))
            n_prompt = int(rng.integers(1, TOKENS + 1))
            states = rng.standard_normal((n_prompt + n_output, 1, 1)).astype(np.float16)
            writer.append(
                TrajectoryRow(
                    sample_id=one.id,
                    prompt=one.input,
                    model_output=output(key.task, one, index),
                    ground_truth=one.target,
                    hidden_states=states,
                    prompt_length=n_prompt,
                    output_length=n_output,
                    finish_reason="stop",
                    exemplar_ids=tuple(f"{key.task}/train/{at}" for at in range(key.n_shot)),
                    token_ids=np.arange(index, index + n_prompt + n_output, dtype=np.int32),
                )
            )
        staged = writer.finish()
    publish(staged, directory.trajectory(key))


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


def parts_of(directory: DataDirectory, catalog: Catalog, key: TrajectoryKey) -> dict[str, float]:
    """Seconds that the parts of one cell take, each alone."""
    labels = read_table(directory.labels(key))
    limits, thresholds = Limits(), catalog.thresholds
    return {
        "grade": seconds(lambda: regrade(directory, key, limits, log=lambda _: None)),
        "page": seconds(lambda: label_metadata(key, labels, thresholds)),
        "views": seconds(lambda: publish_views(directory, key, labels)),
        "checks": seconds(lambda: examined_quality(directory, key, thresholds, limits)),
    }


def main() -> None:
    """Make the grid, relabel it, ask once more, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500, help="outputs of a cell")
    n_rows = parser.parse_args().rows
    warnings.simplefilter("ignore")
    with (
        tempfile.TemporaryDirectory() as name,
        dg.DagsterInstance.local_temp(
            name, overrides={"telemetry": {"enabled": False}}
        ) as instance,
    ):
        made: list[tuple[Catalog, Path]] = []
        folder = Path(name)
        took_s = seconds(lambda: made.append(make_grid(folder, n_rows)))
        (catalog, path), directory = made[0], DataDirectory(folder / "data")
        print(f"made 24 cells of {n_rows} outputs in {took_s:.0f} s")  # noqa: T201
        deployment = Deployment(path, directory.root, store=str(folder / "store"))
        launcher = Launcher(build_defs(deployment), build_grid(catalog), instance)
        for what in ("all due", "nothing due"):
            print(f"{what:<14} {timed(launcher):7.1f} s", flush=True)  # noqa: T201
        tell(directory, catalog)


def timed(launcher: Launcher) -> float:
    """Seconds of one run of the job; it must succeed."""

    def run() -> None:
        outcome = launcher.relabel((), every=False)
        assert outcome.is_success, outcome.reason

    return seconds(run)


def tell(directory: DataDirectory, catalog: Catalog) -> None:
    """Verdicts, and the parts of one cell of each format."""
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for key in catalog.cells():
        verdicts[key.task].update(read_table(directory.labels(key))["verdict"].tolist())
    for task in catalog.benchmarks:
        parts = parts_of(directory, catalog, TrajectoryKey("one", task, 0))
        shown = ", ".join(f"{name} {took_s:.2f} s" for name, took_s in parts.items())
        print(f"one cell of {task:<10} {shown}; all: {dict(verdicts[task])}")  # noqa: T201


if __name__ == "__main__":
    main()

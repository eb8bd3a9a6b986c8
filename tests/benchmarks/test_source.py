"""Opening the source that a catalog describes."""

import subprocess
import sys
from pathlib import Path

import pytest

from quarry.benchmarks.source import BenchmarkSource, open_source
from quarry.catalog import BenchmarkSourceSpec, HubDataset
from quarry.errors import SourceMissingError, UnknownNameError


def test_a_toy_source_is_written_once_and_read_like_any_mirror(tmp_path: Path) -> None:
    spec = BenchmarkSourceSpec(kind="toy", seed=3)
    source = open_source(spec, toy_dir=tmp_path)
    assert source.mirror is not None
    assert source.mirror.parent == tmp_path
    written = (source.mirror / "gsm8k" / "test.jsonl").stat().st_mtime_ns
    again = open_source(spec, toy_dir=tmp_path)
    assert again == source
    assert (source.mirror / "gsm8k" / "test.jsonl").stat().st_mtime_ns == written


def test_two_seeds_have_two_toy_mirrors(tmp_path: Path) -> None:
    first, second = (
        open_source(BenchmarkSourceSpec(kind="toy", seed=seed), toy_dir=tmp_path) for seed in (1, 2)
    )
    assert first.mirror != second.mirror
    assert first.load("gsm8k", "test") != second.load("gsm8k", "test")


def test_a_relative_mirror_path_starts_from_the_base_directory(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    spec = BenchmarkSourceSpec(kind="mirror", path=Path("data"))
    assert open_source(spec, toy_dir=tmp_path, base_dir=tmp_path).mirror == tmp_path / "data"


def test_an_absolute_mirror_path_stays_as_it_is(tmp_path: Path) -> None:
    spec = BenchmarkSourceSpec(kind="mirror", path=tmp_path)
    assert open_source(spec, toy_dir=tmp_path, base_dir=Path("elsewhere")).mirror == tmp_path


def test_a_missing_mirror_is_named_with_what_to_do(tmp_path: Path) -> None:
    spec = BenchmarkSourceSpec(kind="mirror", path=Path("nowhere"))
    with pytest.raises(SourceMissingError) as caught:
        open_source(spec, toy_dir=tmp_path, base_dir=tmp_path)
    assert caught.value.where == str(tmp_path / "nowhere")
    assert "benchmark_source.path" in (caught.value.fix or "")


def test_a_hub_source_keeps_its_pins(tmp_path: Path) -> None:
    pin = HubDataset(hub_id="openai/gsm8k", config="main", revision="abc")
    source = open_source(BenchmarkSourceSpec(kind="hub", hub={"gsm8k": pin}), toy_dir=tmp_path)
    assert (source.mirror, source.hub["gsm8k"]) == (None, pin)
    assert list(tmp_path.iterdir()) == []


def test_a_format_without_a_dataset_names_the_catalog_key() -> None:
    with pytest.raises(SourceMissingError, match=r"benchmark_source\.hub\.gsm8k"):
        BenchmarkSource().load("gsm8k", "test")


def test_an_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="gsm8k, humaneval, logiqa, mbpp"):
        BenchmarkSource(tmp_path).load("mmlu", "test")


def test_an_unknown_split_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="one of test"):
        BenchmarkSource(tmp_path).load("humaneval", "train")


def test_reading_a_mirror_imports_no_heavy_library() -> None:
    program = (
        "import sys, quarry.prompts, quarry.benchmarks.source, quarry.toy.mirror\n"
        "print([m for m in ('torch', 'transformers', 'datasets', 'dagster', 'pandas') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr

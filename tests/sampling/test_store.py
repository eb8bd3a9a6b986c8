"""The store of completions: one process at a time, safe by chunk, never mixed, never half read."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarry.errors import DiskError, StorageFullError, UsageError
from quarry.sampling.store import CompletionStore, Distinct

ROOT = Path(__file__).resolve().parents[2]
METHOD = {"weights": "ab12", "parameters": {"seed": 0}}
HOLDING = """
import sys
from pathlib import Path
from quarry.sampling.store import CompletionStore
with CompletionStore(Path(sys.argv[1]), {"weights": "ab12", "parameters": {"seed": 0}}):
    print("held", flush=True)
    sys.stdin.read()
"""
LIMITED = """
import resource, sys
from pathlib import Path
from quarry.errors import QuarryError
from quarry.sampling.store import CompletionStore, Distinct
method = {"weights": "ab12", "parameters": {"seed": 0}}
with CompletionStore(Path(sys.argv[1]), method) as store:
    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for chunk in range(1000):
        rows = [Distinct(f"{chunk} {k} " * 20, chunk * 10 + k, 1, "stop", (k,)) for k in range(10)]
        try:
            store.add("p", [1], rows, (chunk + 1) * 10)
        except QuarryError as error:
            print(chunk * 10, type(error).__name__, error.where == sys.argv[1], error.fix)
            break
with CompletionStore(Path(sys.argv[1]), method) as store:
    safe = [row.generation_idx for row in store.distinct("p")]
    print(store.n_done("p"), store.damaged, safe == list(range(store.n_done("p"))))
"""


def one(text: str, generation_idx: int = 0, count: int = 1) -> Distinct:
    return Distinct(text, generation_idx, count, "stop", (5, 70000, 0))


def filled(path: Path, n: int = 300) -> Path:
    with CompletionStore(path, METHOD) as store:
        store.add("p", [1, 2], [one(f"text {k} " * 9, k) for k in range(n)], n)
    return path


def test_what_was_added_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "a.sqlite"
    with CompletionStore(path, METHOD) as store:
        store.add("p", [1, 2], [one(" A", 0, 3), one(" B", 2)], 4)
        store.add("p", [1, 2], [one(" B", 4, 2), one(" C", 5)], 7)
    with CompletionStore(path, METHOD) as store:
        assert store.n_done("p") == 7
        assert store.prompt_token_ids("p") == [1, 2]
        assert list(store.distinct("p")) == [one(" A", 0, 3), one(" B", 2, 3), one(" C", 5)]
        assert store.n_distinct("p") == 3
        assert store.n_discarded == 0
        assert store.damaged is None


def test_a_prompt_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    with CompletionStore(tmp_path / "a.sqlite", METHOD) as store:
        assert store.n_done("p") == store.n_distinct("p") == 0
        assert list(store.distinct("p")) == []
        with pytest.raises(KeyError):
            store.prompt_token_ids("p")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), unique=True))
@settings(max_examples=60, deadline=None)
def test_any_text_is_kept_and_told_apart(texts: list[str]) -> None:
    rows = [one(text, k) for k, text in enumerate(texts)]
    with CompletionStore(Path(":memory:"), METHOD) as store:
        store.add("p", [], rows, len(rows))
        assert list(store.distinct("p")) == rows


def test_nuls_cases_and_forms_of_one_letter_are_different_texts(tmp_path: Path) -> None:
    texts = ["a", "a\0", "a\0b", "A", "a ", "é", "e\u0301", ""]
    rows = [one(text, k) for k, text in enumerate(texts)]
    with CompletionStore(tmp_path / "a.sqlite", METHOD) as store:
        store.add("p", [1], rows, len(rows))
    with CompletionStore(tmp_path / "a.sqlite", METHOD) as store:
        assert list(store.distinct("p")) == rows


def test_half_of_a_character_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """Tokenizers write U+FFFD for it, so that none comes; a store would not be able to keep it."""
    with CompletionStore(tmp_path / "a.sqlite", METHOD) as store:
        with pytest.raises(UnicodeEncodeError):
            store.add("p", [1], [one("fine"), one("\ud83d")], 2)
        assert store.n_done("p") == store.n_distinct("p") == 0


def test_another_method_begins_anew(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.sqlite")
    with CompletionStore(path, {**METHOD, "weights": "other"}) as store:
        assert store.n_discarded == 300
        assert store.n_done("p") == 0
    with CompletionStore(path, METHOD) as store:
        assert store.n_done("p") == 0, "what was discarded does not come back"


def test_the_order_of_a_methods_names_is_no_difference(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.sqlite")
    with CompletionStore(path, dict(reversed(METHOD.items()))) as store:
        assert store.n_done("p") == 300


def test_a_forgotten_prompt_leaves_the_others(tmp_path: Path) -> None:
    with CompletionStore(tmp_path / "a.sqlite", METHOD) as store:
        store.add("p", [1], [one("a")], 1)
        store.add("q", [2], [one("a")], 1)
        store.forget("p")
        assert (store.n_done("p"), store.n_distinct("p")) == (0, 0)
        assert list(store.distinct("q")) == [one("a")]


def test_a_removed_store_is_gone_and_closing_it_again_is_no_error(tmp_path: Path) -> None:
    store = CompletionStore(filled(tmp_path / "a.sqlite"), METHOD)
    store.remove()
    store.remove()
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_of_one_process_and_free_when_that_is_killed(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.sqlite")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="sampled by another process") as refused:
            CompletionStore(path, METHOD)
        assert refused.value.parts().keys() == {"what", "where", "expected", "got", "fix"}
        with pytest.raises(UsageError):
            CompletionStore(path, {"another": "method"})
        holder.kill()
    with CompletionStore(path, METHOD) as store:
        assert store.n_done("p") == 300


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all " * 500)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def zeroed_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 3 * 4096)
        file.write(bytes(4096))


def flipped_letter(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b"text 77 ", b"tExt 77 ", 1))


def damaged_schema(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b"CREATE TABLE prompts", b"CREATE TABL\xff prompts", 1))


@pytest.mark.parametrize("harm", [garbage, truncated, zeroed_page, flipped_letter, damaged_schema])
def test_a_damaged_store_is_put_aside_and_begun_anew(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = filled(tmp_path / "a.sqlite")
    harm(path)
    content = path.read_bytes()
    with CompletionStore(path, METHOD) as store:
        assert store.damaged == tmp_path / "a.damaged"
        assert (tmp_path / "a.damaged").read_bytes() == content
        assert store.n_done("p") == 0
        store.add("p", [1], [one("a")], 1)
    with CompletionStore(path, METHOD) as store:
        assert store.damaged is None
        assert list(store.distinct("p")) == [one("a")]


def test_a_database_of_something_else_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE method (something INTEGER)")
    with CompletionStore(path, METHOD) as store:
        assert store.damaged is not None
        assert store.damaged.is_file()
        assert store.n_done("p") == 0


def test_an_empty_file_is_an_empty_store(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").touch()
    with CompletionStore(tmp_path / "a.sqlite", METHOD) as store:
        assert store.n_done("p") == 0
        assert store.damaged is None


def test_a_full_disk_is_named_and_what_was_safe_stays(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.sqlite")
    with CompletionStore(path, METHOD) as store:
        store._database.execute("PRAGMA max_page_count = 1")  # as large as it is now
        with pytest.raises(StorageFullError, match="disk is full") as full:
            store.add("p", [1, 2], [one(f"{k} " * 500, 300 + k) for k in range(200)], 500)
        assert "goes on from the last chunk" in str(full.value)
        assert str(path) in str(full.value)
        assert store.n_done("p") == store.n_distinct("p") == 300
        store._database.execute("PRAGMA max_page_count = 100000")
        store.add("p", [1, 2], [one("there is room again", 300)], 301)
    with CompletionStore(path, METHOD) as store:
        assert store.n_done("p") == store.n_distinct("p") == 301


@pytest.mark.parametrize("limit_bytes", [60_001, 100_000, 200_000])
def test_a_write_that_fails_anywhere_loses_nothing_that_was_safe(
    tmp_path: Path, limit_bytes: int
) -> None:
    path = tmp_path / "a.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), str(limit_bytes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    expect_all_safe(done.stdout, "DiskError")


def test_a_disk_that_is_full_loses_nothing_that_was_safe(tmp_path: Path) -> None:
    inside = 'mount -t tmpfs -o size=400k none "$0" && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside, tmp_path]
    script = [sys.executable, "-c", LIMITED, tmp_path / "a.sqlite", "-1"]
    try:
        subprocess.run([*command, "true"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a child may not mount a file system here")
    done = subprocess.run(
        [*command, *script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    expect_all_safe(done.stdout, "StorageFullError")


def expect_all_safe(said: str, expected_error: str) -> None:
    """What the process said that could write no more, and that opened the store again."""
    refused, reopened = said.splitlines()
    n_safe, error, is_named, fix = refused.split(maxsplit=3)
    assert (error, is_named) == (expected_error, "True")
    assert "run it again" in fix
    assert reopened == f"{n_safe} None True"
    assert int(n_safe) > 0


def test_a_place_that_is_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").mkdir()
    with pytest.raises(DiskError, match=r"a\.sqlite"):
        CompletionStore(tmp_path / "a.sqlite", METHOD)
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="file"):
        CompletionStore(tmp_path / "file" / "a.sqlite", METHOD)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.sqlite")
    path.chmod(stat.S_IRUSR)
    with pytest.raises(DiskError, match="permissions"):
        CompletionStore(path, METHOD)

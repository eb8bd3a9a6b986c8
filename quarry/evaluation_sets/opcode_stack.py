"""`OpcodeStack`: a pickle's stack with names in place of objects; nothing is built or called."""

from __future__ import annotations

import pickletools
from dataclasses import dataclass, field
from typing import Any, Final

UNKNOWN: Final = "?"


@dataclass(frozen=True)
class _Name:
    """Something that was imported, or comes of calling something."""

    text: str


class _Mark:
    """Where a tuple, list or dict begins."""


_TEXT_OPCODES: Final = frozenset(
    {
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    }
)
_EXTENSIONS: Final = frozenset({"EXT1", "EXT2", "EXT4"})
_PERSISTENT: Final = frozenset({"PERSID", "BINPERSID"})
_PUT: Final = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GET: Final = frozenset({"GET", "BINGET", "LONG_BINGET"})
_CALLED_BELOW: Final = {"REDUCE": 2, "NEWOBJ": 2, "NEWOBJ_EX": 3, "BUILD": 2}
"""Opcodes that run something, and how deep on the stack it lies."""


@dataclass
class OpcodeStack:
    """Follows opcodes; keeps what would be imported and run.

    Args:
        globals: names that would be imported, such as `posix.system`.
        calls: opcode, what it runs, and its byte.
        n_opcodes: followed.
    """

    globals: set[str] = field(default_factory=set[str])
    calls: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])
    n_opcodes: int = 0
    _stack: list[Any] = field(default_factory=list[Any])
    _memo: dict[int, Any] = field(default_factory=dict[int, Any])

    def begin(self) -> None:
        """A new pickle: stack and memo are empty."""
        self._stack.clear()
        self._memo.clear()

    def follow(self, opcode: pickletools.OpcodeInfo, argument: Any, position: int) -> None:
        """Take one opcode.

        Args:
            opcode: as `pickletools.genops` gives it.
            argument: of it.
            position: its byte in the file.
        """
        self.n_opcodes += 1
        name = opcode.name
        if name in _TEXT_OPCODES:
            self._stack.append(argument)
        elif name in _PUT or name == "MEMOIZE":
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = self._top()
        elif name in _GET:
            self._stack.append(self._memo.get(argument, UNKNOWN_OBJECT))
        elif name == "DUP":
            self._stack.append(self._top())
        elif name == "MARK":
            self._stack.append(_Mark())
        elif not self._import(name, argument, position):
            self._run(opcode, name, argument, position)

    def _import(self, name: str, argument: Any, position: int) -> bool:
        """Whether the opcode imports something and does nothing else."""
        if name == "GLOBAL":
            self._stack.append(self._imported(*str(argument).partition(" ")[::2]))
        elif name == "STACK_GLOBAL":
            attribute, module = self._pop(), self._pop()
            self._stack.append(self._imported(module, attribute))
        elif name in _EXTENSIONS:
            self._stack.append(self._imported("copyreg extension", str(argument)))
        elif name in _PERSISTENT:
            self.calls.append((name, "persistent_load of the loader", position))
            if name == "BINPERSID":
                self._pop()
            self._stack.append(_Name("persistent object"))
        else:
            return False
        return True

    def _run(self, opcode: pickletools.OpcodeInfo, name: str, argument: Any, position: int) -> None:
        """Take an opcode that builds something, perhaps by a call."""
        if name == "INST":
            target = self._imported(*str(argument).partition(" ")[::2]).text
        elif name == "OBJ":
            target = self._text(self._after_mark())
        else:
            depth = _CALLED_BELOW.get(name, 0)
            target = self._text(self._stack[-depth]) if 0 < depth <= len(self._stack) else UNKNOWN
        is_call = name in _CALLED_BELOW or name in {"INST", "OBJ"}
        if is_call:
            told = f"{target}.__setstate__" if name == "BUILD" else target
            self.calls.append((name, told, position))
        self._reshape(opcode, _Name(f"{target}()") if is_call else UNKNOWN_OBJECT)

    def _reshape(self, opcode: pickletools.OpcodeInfo, result: Any) -> None:
        """Take from the stack what the opcode takes, and put its result there."""
        before, after = opcode.stack_before, opcode.stack_after
        if pickletools.markobject in before:
            while self._stack and not isinstance(self._stack.pop(), _Mark):
                pass
            before = before[: before.index(pickletools.markobject)]
        kept = self._stack[-len(before)] if 0 < len(before) <= len(self._stack) else result
        for _ in before:
            self._pop()
        # APPENDS, SETITEMS, BUILD and their like give back the object that they change
        changes = len(after) == 1 and opcode.name in _CHANGING
        self._stack.extend([kept] if changes else [result] * len(after))

    def _imported(self, module: Any, attribute: Any) -> _Name:
        """Note an import; a part that is no text on the stack shows only when it is run."""
        parts = [part if isinstance(part, str) else UNKNOWN for part in (module, attribute)]
        name = _Name(".".join(parts))
        self.globals.add(name.text)
        return name

    def _after_mark(self) -> Any:
        """What lies directly above the topmost mark."""
        for place in range(len(self._stack) - 1, -1, -1):
            if isinstance(self._stack[place], _Mark):
                return self._stack[place + 1] if place + 1 < len(self._stack) else None
        return None

    def _top(self) -> Any:
        return self._stack[-1] if self._stack else UNKNOWN_OBJECT

    def _pop(self) -> Any:
        return self._stack.pop() if self._stack else UNKNOWN_OBJECT

    @staticmethod
    def _text(value: Any) -> str:
        """The name of what is called."""
        return value.text if isinstance(value, _Name) else UNKNOWN


_CHANGING: Final = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})
UNKNOWN_OBJECT: Final = object()

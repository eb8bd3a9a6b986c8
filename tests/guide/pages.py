"""The guide as a test reads it: pages in the order of their index, blocks in that of a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]+)\)")
_EXIT_CODE = re.compile(r"#.*\bexit code (\d+)")


@dataclass(frozen=True)
class Block:
    """One fenced block, and what the page says one sees behind it.

    Args:
        place: page and line, as an editor takes them.
        language: `bash`, `python` or `yaml`.
        text: what is in it.
        seen: the lines of the `text` block right behind it.
    """

    place: str
    language: str
    text: str
    seen: tuple[str, ...] = ()

    @property
    def commands(self) -> list[str]:
        """The lines that a person types; remarks of their own line are none."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def index() -> list[Path]:
    """The pages, as the guide's README lists them."""
    names = _LINK.findall((GUIDE / "README.md").read_text(encoding="utf-8"))
    return [GUIDE / name for name in dict.fromkeys(names) if "/" not in name]


def blocks(page: Path) -> list[Block]:
    """All blocks of a page that do something."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = -1
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match[1] == "text":
            assert text[end : match.start()].strip() == "", f"{page.name}:{line} follows no command"
            last = found.pop()
            found.append(Block(last.place, last.language, last.text, tuple(match[2].splitlines())))
        else:
            found.append(Block(f"{page.name}:{line}", match[1], match[2]))
        end = match.end()
    return found


def prose(page: Path) -> str:
    """A page without its blocks."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Where a page points to, addresses on the web left out."""
    return [to for to in _LINK.findall(prose(page)) if "://" not in to]


def exit_code(command: str) -> int:
    """The exit code that the page announces; 0 where it says nothing."""
    said = _EXIT_CODE.search(command)
    return int(said[1]) if said else 0

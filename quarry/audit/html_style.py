"""Colours and layout of the audit page, for light and dark screens and for phones.

Every pair of text and background has a contrast of at least 4.5 to 1 (WCAG 2.2 level AA; a test
computes it). A status is always written as a word, so that colour is never the only sign. A dense
table has words in its first three columns and the last, and figures between.
"""

from __future__ import annotations

from collections.abc import Mapping

from quarry.audit.cell import CellStatus

Palette = Mapping[str, tuple[str, str]]
"""Foreground and background by role: `page`, `quiet`, `link` and each status in lower case."""

LIGHT: Palette = {
    "page": ("#1b1f24", "#ffffff"),
    "quiet": ("#57606a", "#ffffff"),
    "link": ("#0b57a4", "#ffffff"),
    "ok": ("#11492a", "#dff3e4"),
    "undecided": ("#4a2d73", "#eee5fb"),
    "imbalanced": ("#5c3d00", "#ffefc2"),
    "unlabelled": ("#123d73", "#dcebfb"),
    "missing": ("#3a414b", "#e6e9ed"),
    "corrupted": ("#86101a", "#fde0e0"),
}
DARK: Palette = {
    "page": ("#e6e9ed", "#14171b"),
    "quiet": ("#a3acb7", "#14171b"),
    "link": ("#8cc1ff", "#14171b"),
    "ok": ("#b4ebc5", "#123a22"),
    "undecided": ("#dcc8ff", "#38235a"),
    "imbalanced": ("#ffdf8f", "#4a3500"),
    "unlabelled": ("#b5d7ff", "#143358"),
    "missing": ("#ccd2da", "#2d333b"),
    "corrupted": ("#ffc2c2", "#5c1219"),
}


def _variables(palette: Palette) -> str:
    """The palette as CSS custom properties."""
    return "".join(
        f"--{role}-text:{text};--{role}-back:{back};" for role, (text, back) in palette.items()
    )


def _status_rules() -> str:
    """One rule a status; links inside take the cell's own colour."""
    return "".join(
        f".{status.lower()},.{status.lower()} a{{color:var(--{status.lower()}-text);"
        f"background:var(--{status.lower()}-back)}}\n"
        for status in CellStatus
    )


STYLE = (
    f":root{{{_variables(LIGHT)}}}\n"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}\n"
    """\
*{box-sizing:border-box}
body{margin:0;color:var(--page-text);background:var(--page-back);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;line-height:1.25}
h2{font-size:1.2rem;margin-top:2rem}
h3{font-size:1rem;margin:1.5rem 0 .25rem}
a{color:var(--link-text)}
.quiet,dt{color:var(--quiet-text)}
.scroll{overflow-x:auto}
table{border-collapse:separate;border-spacing:3px;width:100%}
th,td{padding:.5rem .6rem;text-align:left;vertical-align:top}
thead th{border-bottom:2px solid var(--missing-back)}
tbody th{position:sticky;left:0;background:var(--page-back)}
table.grid{table-layout:fixed}
.grid thead th{width:11.5rem}
.grid thead th:first-child{width:9rem}
td.cell{border-radius:6px;overflow-wrap:anywhere}
table.dense{border-collapse:collapse}
.dense th,.dense td{padding:.2rem .6rem}
.dense tbody tr{border-bottom:1px solid var(--missing-back)}
.dense :is(th,td):nth-child(n+4):nth-last-child(n+2){text-align:right;
font-variant-numeric:tabular-nums}
.whole,.dense td{white-space:nowrap}
td.reason{min-width:16rem}
.badge{display:inline-block;padding:.05rem .55rem;border-radius:1rem;font-size:.85rem;
font-weight:600}
.finding{border-left:3px solid var(--missing-back);padding-left:.8rem;margin:.8rem 0}
.finding p{margin:0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .8rem;margin:.2rem 0}
dd{margin:0;overflow-wrap:anywhere}
@media (max-width:40rem){dl{grid-template-columns:1fr}dd{margin-bottom:.3rem}}
@media print{.scroll{overflow:visible}}
""" + _status_rules()
)

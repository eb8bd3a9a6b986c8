"""The audit on disk: Markdown, CSV, HTML and JSON beside each other, each replaced whole."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from quarry.audit.csv import csv_text
from quarry.audit.html import html_page
from quarry.audit.report import Audit
from quarry.audit.tables import markdown


@dataclass(frozen=True)
class AuditFiles:
    """Where an audit was written."""

    markdown: Path
    csv: Path
    html: Path
    json: Path


def write_audit(audit: Audit, directory: Path) -> AuditFiles:
    """Write an audit as `audit.md`, `.csv`, `.html` and `.json`; returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    files = AuditFiles(*(directory / f"audit.{ending}" for ending in ("md", "csv", "html", "json")))
    for path, text in (
        (files.markdown, markdown(audit)),
        (files.csv, csv_text(audit)),
        (files.html, html_page(audit)),
        (files.json, json.dumps(audit.as_dict(), indent=2) + "\n"),
    ):
        temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    return files

"""Tables that a benchmark keeps up to date in a page of the documentation."""

from __future__ import annotations

from pathlib import Path


def put(document: Path, marks: tuple[str, str], text: str) -> None:
    """Puts `text` between the two marks of a document."""
    before, _, rest = document.read_text().partition(marks[0])
    _, found, after = rest.partition(marks[1])
    if not found:
        raise SystemExit(f"{document}: error: the marks {marks[0]} and {marks[1]} are missing")
    document.write_text(f"{before}{marks[0]}\n{text}{marks[1]}{after}")

"""A landed file, read once: by the rules of its feed's folder, or in the format that its mapping says."""

from __future__ import annotations

from portrait.errors import InputRefused
from portrait.ingest.content import Inspection, Text, inspect_parquet
from portrait.ingest.files import LandedFile
from portrait.ingest.mapped_files import inspect_mapped
from portrait.ingest.text import DEFAULT_BOUNDS, Bounds, Hashed, Unreadable, most_unpacked, unpacked


def inspect_file(landed: LandedFile, *, width: int, bounds: Bounds = DEFAULT_BOUNDS) -> Inspection:
    """Read a file once; `width` is the number of columns of the feed's contract, `bounds` what the file may ask for.

    Raises InputRefused when the file cannot be opened: that says nothing about its content.
    """
    try:
        if landed.mapping is not None:
            return inspect_mapped(landed, landed.mapping, bounds=bounds)
        if landed.format == "parquet":
            return inspect_parquet(landed.source)
        with landed.source.open("rb") as raw:
            return _inspect_text(landed, Hashed(raw), width, bounds)
    except OSError as error:
        raise InputRefused(
            f"the file cannot be read: {error.strerror or type(error).__name__}",
            where=landed.path,
            remedy="check its permissions and the disk, then run again",
        ) from error


def _inspect_text(landed: LandedFile, source: Hashed, width: int, bounds: Bounds) -> Inspection:
    if landed.format is None:
        known = ", ".join(f"{name}, {name}.gz" for name in (".csv", ".jsonl"))
        return Inspection(source.whole(), f"file.format: the name ends in none of {known}, .parquet")
    text = Text(json=landed.format == "jsonl", most=bounds.line_bytes)
    most = most_unpacked(landed.size, bounds)
    try:
        for chunk in unpacked(source, packed=landed.extension.endswith(".gz"), most=most):
            text.take(chunk)
        text.close()
        problem = text.problem(width)
    except Unreadable as error:
        problem = str(error)
    return Inspection(source.whole(), problem, text.columns, rows=text.rows, one_line=text.one_line)

"""What `portrait quarantine` says of codes that a map does not know."""

from __future__ import annotations

from pathlib import Path

from portrait.cli.quarantine import _told
from portrait.ingest import UnmappedCode
from portrait.mappings import FileMapping, Mappings, SourceMapping


def _mapping(place: Path, map_: object, codes: dict[str, str]) -> Mappings:
    spec = FileMapping.model_validate(
        {
            "title": "Bookings",
            "files": "*.csv",
            "feed": "transactions",
            "columns": {"type": {"column": "t", "map": map_}},
            "delivery": "append",
        }
    )
    return Mappings((SourceMapping("core", "bookings", place / "bookings.yml", spec, {"type": codes}),))


def test_a_code_is_told_with_its_count_and_the_file_to_add_it_to(tmp_path: Path) -> None:
    code = UnmappedCode("transactions", "type", "UVER", "core/bookings", 1204)
    assert _told([code], _mapping(tmp_path, "types.csv", {"K": "fee"})) == {
        ("transactions", "type_unmapped"): ["type: 'UVER' 1,204 times: add it to types.csv"]
    }
    (line,) = _told([code], _mapping(tmp_path, {"K": "fee"}, {"K": "fee"})).values()
    assert line == ["type: 'UVER' 1,204 times: add it to bookings.yml"]
    (line,) = _told([code], _mapping(tmp_path, "types.csv", {"UVER": "fee"})).values()
    assert line == ["type: 'UVER' 1,204 times: it is mapped now: `portrait quarantine --release`"]

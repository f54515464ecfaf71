"""The mapping files of sources, for what makes and tests them; they live in `portrait.mappings`, below ingest."""

from portrait.mappings import ColumnMapping, FileFormat, FileMapping, Mappings, Snapshot, SourceMapping, load_mappings

__all__ = ["ColumnMapping", "FileFormat", "FileMapping", "Mappings", "Snapshot", "SourceMapping", "load_mappings"]

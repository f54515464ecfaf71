"""JSON Schemas of the files that people write, with which editors complete and check them while they are written."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from portrait.capability import modules_of_rooms
from portrait.contracts import Catalogue
from portrait.labels.declaration import PORTRAIT_ITSELF, Label
from portrait.mappings import FileMapping

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def editor_schemas(catalogue: Catalogue) -> dict[str, str]:
    """File name to JSON Schema, of labels, mappings and what capabilities have a file each for (`FILES` of policies).

    What only the whole configuration can tell, such as names of columns, is not in it.
    """
    models: dict[str, type[BaseModel]] = {"label": Label, "mapping": FileMapping}
    for room in modules_of_rooms("policy"):
        models |= getattr(room, "FILES", {})
    schemas = {name: model.model_json_schema(by_alias=True) for name, model in models.items()}
    schemas["mapping"]["properties"]["feed"]["enum"] = catalogue.feeds
    schemas["label"]["properties"]["from"]["enum"] = [*catalogue.label_sources, PORTRAIT_ITSELF]
    return {f"{name}.schema.json": _text(schema) for name, schema in schemas.items()}


def _text(schema: dict[str, Any]) -> str:
    return json.dumps({"$schema": DIALECT} | schema, indent=2, ensure_ascii=False) + "\n"

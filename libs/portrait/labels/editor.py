"""JSON Schemas of label and audience files, with which editors complete and check them while they are written."""

from __future__ import annotations

import json

from pydantic import BaseModel

from portrait.labels.audiences.declaration import Audience
from portrait.labels.declaration import Label

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def editor_schemas() -> dict[str, str]:
    """File name to JSON Schema. What only the whole configuration can tell, such as names of columns, is not in it."""
    models: dict[str, type[BaseModel]] = {"label.schema.json": Label, "audience.schema.json": Audience}
    return {
        name: json.dumps({"$schema": DIALECT} | model.model_json_schema(by_alias=True), indent=2, ensure_ascii=False)
        + "\n"
        for name, model in models.items()
    }

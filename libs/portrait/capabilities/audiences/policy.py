"""Files of `conf/` that say who is in a list, and who is taken off it: `audiences/*.yml`, `exports.yml`."""

from __future__ import annotations

from pathlib import Path

from portrait.capabilities.audiences.declaration import Audience, AudienceSet, load_audiences
from portrait.labels.declared import Declared

FILES = {"audience": Audience}
"""What editors get a JSON Schema of."""


def check_audiences(conf: Path, declared: Declared) -> AudienceSet:
    """All audiences and export lists; see `load_audiences`."""
    return load_audiences(conf, declared.labels, declared.catalogue)


DECLARATIONS = {"audiences/*.yml": check_audiences, "exports.yml": check_audiences}

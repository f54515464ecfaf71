"""Apache Superset: a bundle of datasets, certified metrics, charts and a dashboard, generated from the contracts."""

from portrait.superset.bundle import PLACEHOLDER, bundle, write_bundle
from portrait.superset.declaration import Declaration, load_declaration

__all__ = ["PLACEHOLDER", "Declaration", "bundle", "load_declaration", "write_bundle"]

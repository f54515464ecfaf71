"""Features: declared in `conf/features`, compiled to one aggregate a source, one row a customer and business date."""

from portrait.features.customer import customer_features
from portrait.features.declaration import Feature, FeatureSet, load_features

__all__ = ["Feature", "FeatureSet", "customer_features", "load_features"]

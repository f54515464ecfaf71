"""Features: declared in `conf/features`, compiled to one aggregate a source, one row a customer and business date."""

from portrait.features.customer import customer_features
from portrait.features.declaration import check_values, load_features
from portrait.features.explanation import explain
from portrait.features.feature import Feature, FeatureSet
from portrait.features.population import Population, load_population

__all__ = [
    "Feature",
    "FeatureSet",
    "Population",
    "check_values",
    "customer_features",
    "explain",
    "load_features",
    "load_population",
]

"""Features: declared in `conf/features`, compiled to one aggregate per source; one row per customer and as_of."""

from typing import TYPE_CHECKING

from portrait.lazy import exports

if TYPE_CHECKING:
    from portrait.features.customer import customer_features
    from portrait.features.declaration import check_values, load_features
    from portrait.features.explanation import explain
    from portrait.features.feature import Feature, FeatureSet
    from portrait.features.population import Population, load_population

_PLACES = {
    "Feature": "portrait.features.feature",
    "FeatureSet": "portrait.features.feature",
    "Population": "portrait.features.population",
    "check_values": "portrait.features.declaration",
    "customer_features": "portrait.features.customer",
    "explain": "portrait.features.explanation",
    "load_features": "portrait.features.declaration",
    "load_population": "portrait.features.population",
}
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
if not TYPE_CHECKING:  # or type checkers would take any name for one of the package
    __getattr__ = exports(__name__, _PLACES)

"""The contracts and the whole configuration, read and checked before Spark starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from portrait.capabilities.credit.policy import load_credit_policy
from portrait.capabilities.funds.policy import load_funds_policy
from portrait.capabilities.relations.policy import load_relations_policy
from portrait.contracts import Catalogue, load_catalogue
from portrait.declared import declared_of
from portrait.entities.currencies import load_currency_policy
from portrait.entities.reconciliation import load_policy as load_reconciliation
from portrait.entities.recorded import load_recorded
from portrait.errors import ConfigurationError
from portrait.features import check_values, load_features, load_population
from portrait.groups.policy import load_group_policy
from portrait.labels import load_trust_policy
from portrait.marketing.policy import load_recommendation_policy
from portrait.quality import load_reference_policy
from portrait.serving import load_login_policy
from portrait.settings import UTC, check_targets, line_of
from portrait.superset import load_declaration
from portrait.value.policy import load_value_policy
from portrait.value.tier_policy import load_tier_policy

# Files of one subject each, with what reads them. A file of conf/ that nothing reads is an error.
POLICIES: dict[str, Callable[[Path], object]] = {
    "credit.yml": load_credit_policy,
    "currencies.yml": load_currency_policy,
    "funds.yml": load_funds_policy,
    "groups.yml": load_group_policy,
    "marketing.yml": load_recorded,
    "population.yml": load_population,
    "recommendations.yml": load_recommendation_policy,
    "reconciliation.yml": load_reconciliation,
    "references.yml": load_reference_policy,
    "relations.yml": load_relations_policy,
    "sql_server.yml": load_login_policy,
    "tiers.yml": lambda conf: load_tier_policy(conf / "tiers.yml"),
    "trust.yml": load_trust_policy,
    "value.yml": load_value_policy,
}
# Read below, because they are checked against contracts, features and labels.
DECLARATIONS = ("features/*.yml", "labels/*/*.yml", "audiences/*.yml", "exports.yml", "superset.yml")
_OTHERS = ("*.toml", "spark/*.conf", "spark/log4j2.properties", "jars.lock")


def load_suite(conf: Path, schemas: Path, *, time_zone: str = UTC) -> Catalogue:
    """All contracts, with the columns that features and labels declare in `conf/`, for a bank in a time zone.

    Raises ConfigurationError for anything wrong in them or in any file of `conf/`, naming file, line and key, and for a
    file that nothing reads. Nothing of Spark is needed.
    """
    catalogue = load_catalogue(schemas, time_zone=time_zone)
    check_targets(conf)
    for load in POLICIES.values():
        load(conf)
    features = load_features(conf)
    check_values(features, catalogue)
    _check_feeds(conf, catalogue)
    catalogue = declared_of(conf, catalogue).catalogue
    if (conf / "superset.yml").exists():
        load_declaration(conf, catalogue)
    _refuse_unread(conf, catalogue)
    return catalogue


def _check_feeds(conf: Path, catalogue: Catalogue) -> None:
    for feed in load_recorded(conf).feeds:
        if feed not in catalogue.feeds:
            path = conf / "marketing.yml"
            raise ConfigurationError(
                f"there is no feed '{feed}'",
                where=f"{path}:{line_of(path, ('feeds', feed))} feeds",
                remedy=f"feeds: {', '.join(catalogue.feeds)}",
            )


def _refuse_unread(conf: Path, catalogue: Catalogue) -> None:
    """Raise ConfigurationError for a file that no part of the suite reads; hidden files and back-ups do not count."""
    named = {item for contract in catalogue for item in contract.custom("config", []) if "." in item}
    patterns = (*POLICIES, *DECLARATIONS, *_OTHERS, *named)
    read = {file for pattern in patterns for file in conf.glob(pattern)}
    for file in sorted(item for item in conf.rglob("*") if item.is_file()):
        place = file.relative_to(conf)
        if file in read or file.name.endswith("~") or any(part.startswith(".") for part in place.parts):
            continue
        remedy = f"correct its name, or remove it; read are {', '.join(patterns)}"
        raise ConfigurationError("nothing reads this file", where=str(file), remedy=remedy)

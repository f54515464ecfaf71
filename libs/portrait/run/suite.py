"""The contracts and the whole configuration, read and checked before Spark starts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from portrait.capability import capabilities, modules_of_rooms
from portrait.contracts import Catalogue, load_catalogue
from portrait.contracts.vocabulary import required_vocabulary, with_vocabulary
from portrait.entities.currencies import load_currency_policy
from portrait.entities.reconciliation import load_policy as load_reconciliation
from portrait.entities.recorded import load_recorded
from portrait.errors import ConfigurationError
from portrait.features import check_values, load_features, load_population
from portrait.labels import load_trust_policy
from portrait.labels.declared import Declared, declared_of
from portrait.mappings import load_mappings
from portrait.mappings.load import code_files
from portrait.quality import load_reference_policy
from portrait.serving import load_login_policy
from portrait.settings import UTC, Settings, check_targets, line_of
from portrait.sources.inference.knowledge import load_knowledge
from portrait.superset import load_declaration

# Files of the kit, one subject each, with what reads them; those of a capability are in `POLICIES` of its policy.py.
# A file of conf/ that nothing reads is an error.
KIT: dict[str, Callable[[Path], object]] = {
    "currencies.yml": load_currency_policy,
    "inference.yml": load_knowledge,
    "marketing.yml": load_recorded,
    "population.yml": load_population,
    "reconciliation.yml": load_reconciliation,
    "references.yml": load_reference_policy,
    "sql_server.yml": load_login_policy,
    "trust.yml": load_trust_policy,
    "vocabulary.yml": required_vocabulary,
}
# Read below, because they are checked against contracts, features and labels.
DECLARATIONS = ("features/*.yml", "labels/*/*.yml", "sources/*/*.yml", "superset.yml", "superset/*.yml")
_MOVED = {
    "value.yml": "its keys are now in score.yml, lifetime.yml, contribution.yml and tier_value.yml: move them there",
    "recommendations.yml": "rename it to offers.yml",
}
"""What became of files of earlier releases."""
_OTHERS = ("*.toml", "spark/*.conf", "spark/log4j2.properties", "jars.lock")


def policies() -> dict[str, Callable[[Path], object]]:
    """File of `conf/` to what reads and checks it, for the kit and every capability."""
    found = dict(KIT)
    for room in modules_of_rooms("policy"):
        found |= getattr(room, "POLICIES", {})
    return found


def declarations() -> dict[str, Callable[[Path, Declared], object]]:
    """Files of `conf/` (patterns) of capabilities to what checks them against contracts, features and labels."""
    found: dict[str, Callable[[Path, Declared], object]] = {}
    for room in modules_of_rooms("policy"):
        found |= getattr(room, "DECLARATIONS", {})
    return found


def suite_of(settings: Settings) -> Catalogue:
    """The contracts and the configuration that settings name."""
    return load_suite(settings.conf, settings.schemas, time_zone=settings.time_zone, used=settings.capabilities)


def load_suite(conf: Path, schemas: Path, *, time_zone: str = UTC, used: Collection[str] | None = None) -> Catalogue:
    """All contracts, with the columns that features and labels declare in `conf/`, for a bank in a time zone.

    `used`: the capabilities that the bank uses, by name; None: all. Tables of the others are left out.

    Raises ConfigurationError for anything wrong in them or in any file of `conf/`, naming file, line and key, and for a
    file that nothing reads. Nothing of Spark is needed.
    """
    catalogue = chosen_by_bank(with_vocabulary(load_catalogue(schemas, time_zone=time_zone), conf), used)
    check_targets(conf)
    for load in policies().values():
        load(conf)
    features = load_features(conf)
    check_values(features, catalogue)
    _check_feeds(conf, catalogue)
    codes = code_files(load_mappings(conf, catalogue))
    declared = declared_of(conf, catalogue)
    catalogue = declared.catalogue
    for check in declarations().values():
        check(conf, declared)
    if (conf / "superset.yml").exists():
        load_declaration(conf, catalogue)
    _refuse_unread(conf, catalogue, codes)
    return catalogue


def chosen_by_bank(catalogue: Catalogue, names: Collection[str] | None) -> Catalogue:
    """The catalogue without the tables of capabilities that a bank does not use; see `load_suite`."""
    if names is None:
        return catalogue
    known = {room.name for room in capabilities()}
    if unknown := sorted(set(names) - known):
        raise ConfigurationError(
            f"there is no capability '{unknown[0]}'",
            where="conf/base.toml capabilities",
            remedy=f"capabilities: {', '.join(sorted(known))}",
        )
    off = known - set(names)
    return catalogue.without([contract.id for contract in catalogue if (contract.script or "").split("/")[0] in off])


def _check_feeds(conf: Path, catalogue: Catalogue) -> None:
    for feed in load_recorded(conf).feeds:
        if feed not in catalogue.feeds:
            path = conf / "marketing.yml"
            raise ConfigurationError(
                f"there is no feed '{feed}'",
                where=f"{path}:{line_of(path, ('feeds', feed))} feeds",
                remedy=f"feeds: {', '.join(catalogue.feeds)}",
            )


def _refuse_unread(conf: Path, catalogue: Catalogue, codes: Collection[Path]) -> None:
    """Raise ConfigurationError for a file that no part of the suite reads; hidden files and back-ups do not count.

    `codes`: the files of codes that mappings name.
    """
    named = {item for contract in catalogue for item in contract.custom("config", []) if "." in item}
    patterns = (*policies(), *declarations(), *DECLARATIONS, *_OTHERS, *named)
    read = {file for pattern in patterns for file in conf.glob(pattern)} | set(codes)
    for file in sorted(item for item in conf.rglob("*") if item.is_file()):
        place = file.relative_to(conf)
        if file in read or file.name.endswith("~") or any(part.startswith(".") for part in place.parts):
            continue
        remedy = _MOVED.get(str(place)) or f"correct its name, or remove it; read are {', '.join(patterns)}"
        raise ConfigurationError("nothing reads this file", where=str(file), remedy=remedy)

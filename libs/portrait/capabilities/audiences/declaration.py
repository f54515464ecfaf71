"""`conf/audiences/<audience>.yml` as objects: one file per audience, checked before Spark starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from portrait.capabilities.audiences.clauses import Clause, labels_read
from portrait.capabilities.audiences.doubts import AudienceTrust, react_to_doubts
from portrait.capabilities.audiences.exports import ExportPolicy, load_export_policy
from portrait.capabilities.audiences.parsing import Vocabulary, parse_audience
from portrait.contracts import Catalogue
from portrait.errors import ConfigurationError
from portrait.labels.declaration import SENSITIVITIES, Label, LabelSet
from portrait.labels.trust import LabelTrust
from portrait.labels.trust_policy import OwnReactions, TrustPolicy, load_trust_policy
from portrait.settings import Strict, line_of, load_yaml

Channel = Literal["mobile", "online", "wechat", "sms", "atm", "branch", "phone", "tv"]


class Audience(Strict):
    """One audience file; the keys are those of the interface."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)
    title: str = Field(min_length=3)
    where: str
    purpose: str
    channels: list[Channel] = []
    unknown: Literal["exclude", "include"] = "exclude"
    """Whether customers of whom it cannot be told are members."""
    trust: OwnReactions | None = None
    """What the audience does where a label that it reads is suspect, stale or failed."""
    owner: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class CheckedAudience:
    """An audience and what its expression means."""

    audience: Audience
    clause: Clause

    @property
    def member_sql(self) -> str:
        """Spark SQL that is true for members and false for others, by the audience's policy for unknown."""
        return f"coalesce({self.clause.sql}, {str(self.audience.unknown == 'include').upper()})"


@dataclass(frozen=True)
class AudienceSet:
    """Every audience by id, the labels they may name, and the policy of exports."""

    checked: Mapping[str, CheckedAudience]
    words: Vocabulary
    exports: ExportPolicy
    trust: TrustPolicy
    place: str = "conf/audiences"

    def audience(self, name: str) -> CheckedAudience:
        """One audience; raises ConfigurationError for a name that none has."""
        if name not in self.checked:
            ids = ", ".join(self.checked) or "none"
            raise ConfigurationError(f"there is no audience '{name}'", where=self.place, remedy=f"audiences: {ids}")
        return self.checked[name]

    def parse(self, text: str, *, where: str) -> Clause:
        """The clause of an expression that no file holds."""
        return parse_audience(text, words=self.words, where=where)

    def trust_by_audience(self, doubts: Mapping[str, LabelTrust]) -> dict[str, AudienceTrust]:
        """Audience to what doubts about labels mean for it."""
        return {name: self.trust_in(item, doubts) for name, item in self.checked.items()}

    def trust_in(self, item: CheckedAudience, doubts: Mapping[str, LabelTrust]) -> AudienceTrust:
        """What doubts about labels mean for one audience, by its own policy."""
        return react_to_doubts(item.clause, doubts, self.trust.reactions(item.audience.trust))

    def sensitivity(self, clause: Clause) -> str:
        """The highest sensitivity among the labels that a clause reads."""
        return max((self.words.labels[name].sensitivity for name in labels_read(clause)), key=SENSITIVITIES.index)


def load_audiences(conf: Path, labels: LabelSet, catalogue: Catalogue) -> AudienceSet:
    """The audiences below `conf/audiences`; none where there is no such folder.

    Raises ConfigurationError naming file, line and key for an unknown key, label, value or purpose, for audiences that
    name each other in a circle, with the path, and for a broken conf/exports.yml or conf/trust.yml.
    """
    by_id = {item.label.id: item.label for item in labels.checked}
    return _Loader(conf, by_id, catalogue).load()


class _Loader:
    """Reads the files in the order in which they name each other."""

    def __init__(self, conf: Path, labels: dict[str, Label], catalogue: Catalogue) -> None:
        self.files = {path.stem: path for path in sorted((conf / "audiences").glob("*.yml"))}
        self.words = Vocabulary(labels, self._named, catalogue.label_synonyms())
        self.checked: dict[str, CheckedAudience] = {}
        self.path: list[str] = []
        self.exports = load_export_policy(conf, words=self.words, catalogue=catalogue)
        self.trust = load_trust_policy(conf)

    def load(self) -> AudienceSet:
        """All files."""
        for name, path in self.files.items():
            purpose = self._take(name).audience.purpose
            if purpose not in self.exports.purposes:
                known = ", ".join(self.exports.purposes)
                raise _refusal(path, "purpose", f"nothing is exported for '{purpose}'", f"purposes: {known}")
        return AudienceSet({name: self.checked[name] for name in self.files}, self.words, self.exports, self.trust)

    def _named(self, name: str) -> Clause | None:
        return self._take(name).clause if name in self.files else None

    def _take(self, name: str) -> CheckedAudience:
        if name in self.checked:
            return self.checked[name]
        path = self.files[name]
        if name in self.path:
            circle = " -> ".join([*self.path[self.path.index(name) :], name])
            last = self.files[self.path[-1]]
            raise _refusal(last, "where", f"the audiences name each other in a circle: {circle}", "break the circle")
        audience = load_yaml(path, Audience)
        if audience.id != name:
            raise _refusal(path, "id", f"the audience calls itself '{audience.id}'", f"write '{name}', as the file")
        if name in self.words.labels or name in self.words.synonyms:
            raise _refusal(path, "id", f"'{name}' is a label", "rename the audience: expressions could not tell them")
        self.path.append(name)
        where = f"{path}:{line_of(path, ('where',))} where"
        clause = parse_audience(audience.where, words=self.words, where=where)
        self.path.pop()
        self.checked[name] = CheckedAudience(audience, clause)
        return self.checked[name]


def _refusal(path: Path, key: str, problem: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(problem, where=f"{path}:{line_of(path, (key,))} {key}", remedy=remedy)

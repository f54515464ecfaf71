"""Which column of a file becomes which column of a feed: the assignment with the highest confidence altogether."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from portrait.contracts import Column, Contract
from portrait.sources.inference.fitting import fit_of, own_key
from portrait.sources.inference.knowledge import Knowledge
from portrait.sources.inference.names import Names
from portrait.sources.inference.profile import Profile

CHANGES = ("op", "changed_at")
_SHARED = 0.9  # share of the values that must be known in another file for a reference
_FEW = 20  # values below which a reference may be chance
_NAMED = 0.4  # similarity below which two names have nothing to do with each other
_REQUIRED = 1.3
_TOLD = 0.62  # what known codes say of a column, as a similarity of names


@dataclass(frozen=True)
class Match:
    """A proposed source of a feed's column."""

    target: str
    column: str
    confidence: float
    level: str
    """sure, likely or unsure."""
    reason: str
    doubts: tuple[str, ...] = ()
    codes: Mapping[str, str] | None = None
    exact: bool = False
    """Whether the file calls the column as the contract does."""


Keys = Mapping[str, Sequence[tuple[str, frozenset[str]]]]
"""Feed to the keys of the files that are taken for it: a name for each, and its values."""


class Matcher:
    """Matches files with feeds; what it knows of names is asked again and again."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.names = Names(knowledge)

    def matches(
        self, profiles: Mapping[str, Profile], contract: Contract, wanted: Sequence[Column], keys: Keys
    ) -> dict[str, Match]:
        """Column of the feed to its proposed source, one to one; what has no plausible source is left out."""
        import numpy as np
        from scipy.optimize import linear_sum_assignment

        levels = self.knowledge.levels
        targets = [column for column in wanted if column.name != "op" or _has_op(profiles)]
        sources = list(profiles.values())
        if not sources or not targets:
            return {}
        table = [[self._match(source, contract, target, keys) for source in sources] for target in targets]
        scores = np.array([[match.confidence for match in row] for row in table])
        # Squared, one column that surely fits counts more than two that may; what is required comes first.
        needed = np.array([[_REQUIRED if target.required else 1.0] for target in targets])
        rows, places = linear_sum_assignment(scores**2 * needed, maximize=True)
        chosen = {}
        taken = dict(zip(places.tolist(), rows.tolist(), strict=True))
        for row, place in zip(rows.tolist(), places.tolist(), strict=True):
            match = table[row][place]
            if match.confidence < levels.unsure:
                continue
            rivals = [
                other
                for at, other in enumerate(table[row])
                if at != place and not self._better(taken, at, other, scores)
            ]
            chosen[match.target] = self._graded(match, rivals)
        for column, row in zip(targets, table, strict=True):  # codes may say several things at once
            best = max(row, key=lambda match: match.confidence)
            if column.enum and column.name not in chosen and best.codes and best.confidence >= levels.likely:
                chosen[column.name] = replace(
                    best, level="likely", doubts=(*best.doubts, "used for another column too")
                )
        return chosen

    def _better(self, taken: Mapping[int, int], place: int, match: Match, scores: object) -> bool:
        """Whether a rival is at home elsewhere: it was taken for another column of the feed, and fits it better."""
        row = taken.get(place)
        return row is not None and float(scores[row][place]) > match.confidence  # type: ignore[index]

    def _graded(self, match: Match, rivals: Sequence[Match]) -> Match:
        levels = self.knowledge.levels
        if match.exact:
            rivals = []
        near = [other for other in rivals if other.confidence > match.confidence - levels.margin]
        if near and near[0].confidence >= levels.unsure:
            doubts = (*match.doubts, f"{' or '.join(other.column for other in near[:3])} would do as well")
            return replace(match, level="unsure", doubts=doubts)
        if match.confidence < levels.likely:
            return replace(match, level="unsure")
        return replace(match, level="sure" if match.confidence >= levels.sure else "likely")

    def _match(self, source: Profile, contract: Contract, target: Column, keys: Keys) -> Match:
        fit = fit_of(source, contract, target, self.names, self.knowledge)
        if fit.score == 0:
            return Match(target.name, source.name, 0.0, "unsure", "")
        alike, phrase = self.names.of_column(source.name, contract, target)
        weights = self.knowledge.weights
        reasons = [f"name like '{phrase}'"] if alike > _NAMED else []
        told = _TOLD * fit.score if fit.codes and len(set(fit.codes.values())) > 1 and fit.score > 0.9 else 0.0
        named = max(alike if alike > _NAMED else 0.0, told)
        confidence = weights.name * named + weights.value * fit.score
        found = _referred(source, target, keys, named=named > 0)
        if found is not None:
            confidence = min(1.0, confidence + weights.reference)
            reasons.append(found)
        if target.enum and len(fit.codes) * 2 < len(source.codes):
            confidence = min(confidence, self.knowledge.levels.likely - 0.01)
        if own_key(contract) == target.name and not source.unique:
            confidence = min(confidence, self.knowledge.levels.likely - 0.01)
        if not named and not found:  # nothing but that it could be: said only where something has to be there
            confidence = self.knowledge.levels.unsure + 0.05 * fit.score if target.required and fit.score > 0.5 else 0.0
        reason = "; ".join((*reasons, *fit.reasons))
        codes = dict(fit.codes) if target.enum else None
        return Match(target.name, source.name, round(confidence, 3), "unsure", reason, fit.doubts, codes, alike == 1)


def _has_op(profiles: Mapping[str, Profile]) -> bool:
    return any(
        {value.upper() for value in profile.codes} <= {"I", "U", "D"} for profile in profiles.values() if profile.codes
    )


def _referred(source: Profile, target: Column, keys: Keys, *, named: bool) -> str | None:
    """The file whose key has the values of a column that refers to a feed; plain numbers alone prove nothing."""
    if source.distinct < _FEW or (source.is_number and not named):
        return None
    for reference in target.references:
        for name, values in keys.get(reference.feed, ()):
            if len(source.values & values) >= _SHARED * source.distinct:
                return f"its values are those of {name}"
    return None

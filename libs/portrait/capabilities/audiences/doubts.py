"""What an audience does that reads a suspect, stale or failed label: by its own policy, or by conf/trust.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from portrait.capabilities.audiences.clauses import Clause, labels_read
from portrait.errors import GateRefused
from portrait.labels.declaration import Label
from portrait.labels.tables import STATISTICS
from portrait.labels.trust import LabelTrust, TrustStatus
from portrait.labels.trust_policy import Reactions
from portrait.lake import Reader


class AudienceStatus(StrEnum):
    """Whether an audience may be used: the doubts about its labels are none, are told, or forbid it."""

    TRUSTED = "trusted"
    WARNED = "warned"
    REFUSED = "refused"


@dataclass(frozen=True)
class AudienceTrust:
    """Whether an audience may be used, and what speaks against it, a line per label."""

    status: AudienceStatus = AudienceStatus.TRUSTED
    doubts: tuple[str, ...] = ()

    def check(self, *, where: str) -> None:
        """Raise GateRefused, naming the labels, where the audience's policy refuses one of them."""
        if self.status is AudienceStatus.REFUSED:
            raise GateRefused(
                f"the audience reads what is not to be trusted: {'; '.join(self.doubts)}",
                where=where,
                remedy="see `portrait labels show ID`; or let the audience warn instead, by its key 'trust'",
            )


def label_doubts(reader: Reader, *, labels: Mapping[str, Label], as_of: date | None) -> dict[str, LabelTrust]:
    """Label to its trust, for the labels that are not trusted: of the published slice, or of that of `as_of`.

    Where the newest slice lies further before `as_of` than a label's freshness, the label is stale as well. None is in
    doubt where no slice was judged.
    """
    if not any(as_of is None or day <= as_of for day in reader.slices(STATISTICS)):
        return {}
    served = next(iter(reader.publications()), None)
    if as_of is None and served is not None and STATISTICS not in served.versions:
        return {}
    day, judged = reader.slice_at(STATISTICS, as_of)
    late = (as_of - day).days if as_of else 0
    aged = LabelTrust(TrustStatus.STALE, (f"its newest slice is of {day}, {late} days before",))
    found = {name: aged for name, label in labels.items() if label.is_computed and late > label.freshness_days}
    if "status" in judged.columns:
        for row in judged.rows(["label", "status", "reasons"]):
            if row["status"] not in (TrustStatus.TRUSTED, None):
                found[row["label"]] = LabelTrust(TrustStatus(row["status"]), tuple(row["reasons"]))
    return found


def react_to_doubts(clause: Clause, doubts: Mapping[str, LabelTrust], reactions: Reactions) -> AudienceTrust:
    """What the doubts about the labels of a clause mean for it; labels whose doubts are ignored are not named."""
    reacted = {name: getattr(reactions, doubts[name].status) for name in sorted(labels_read(clause) & doubts.keys())}
    lines = tuple(
        f"{name} is {doubts[name].status} ({'; '.join(doubts[name].reasons)})"
        for name, reaction in reacted.items()
        if reaction != "ignore"
    )
    status = AudienceStatus.WARNED if lines else AudienceStatus.TRUSTED
    if "refuse" in reacted.values():
        status = AudienceStatus.REFUSED
    return AudienceTrust(status, lines)

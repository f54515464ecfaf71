"""What audiences meant on a past day: the rows of gold.audiences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from portrait.capabilities.audiences.declaration import Audience, AudienceSet, CheckedAudience
from portrait.capabilities.audiences.parsing import Vocabulary, parse_audience
from portrait.labels.tables import AUDIENCES
from portrait.lake import Reader


def audiences_at(reader: Reader, *, audiences: AudienceSet, as_of: date | None) -> AudienceSet:
    """The audiences as their files say; with the day of a slice as gold.audiences says that they were meant that day.

    Where it says nothing of that day there are none. Asking for one that reads a label that is declared no more raises
    ConfigurationError.
    """
    if as_of is None:
        return audiences
    rows = reader.slice(AUDIENCES, as_of).rows() if as_of in reader.slices(AUDIENCES) else []
    meant = _Recorded({row["audience"]: row for row in rows}, audiences.words, f"{AUDIENCES} of {as_of}")
    return replace(audiences, checked=meant, words=meant.words, place=meant.place)


class _Recorded(Mapping[str, CheckedAudience]):
    """Audiences of rows of gold.audiences, each parsed when it is asked for: labels of another may be gone."""

    def __init__(self, rows: Mapping[str, Mapping[str, Any]], words: Vocabulary, place: str) -> None:
        self._rows, self.place = rows, place
        self.words = replace(words, audience=lambda name: self[name].clause if name in self else None, past=True)

    def __getitem__(self, name: str) -> CheckedAudience:
        row = self._rows[name]
        meant = Audience(
            id=name,
            title=row["title"],
            where=row["expression"],
            purpose=row["purpose"],
            unknown=row["unknown_policy"],
        )
        return CheckedAudience(
            meant, parse_audience(row["expression"], words=self.words, where=f"{self.place}, {name}")
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

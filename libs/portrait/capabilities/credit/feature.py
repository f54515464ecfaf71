"""One feature of a scorecard: its bins, which bin a row is in, and what the bin says."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.capabilities.credit.bins import Partition, Shape, Totals, best_partition, information_of, woe_of
from portrait.capabilities.credit.counts import Prebin, Source
from portrait.capabilities.credit.policy import Bins


@dataclass(frozen=True)
class Bin:
    """Some values of a feature: its label, the rows it was learnt from, and its weight of evidence."""

    label: str
    good: int
    bad: int
    woe: float

    @property
    def rows(self) -> int:
        """Rows of the population in the bin."""
        return self.good + self.bad


@dataclass(frozen=True)
class BinnedFeature:
    """Bins in order: of the known values, then special values, then all other texts, then missing values.

    `cuts` are the upper limits (included) of the bins of a number but the last; `texts` the values of each bin of a
    text. A text that was never seen is in the bin of the rare ones, `unseen`; WOE 0 where there were none.
    """

    source: Source
    bins: tuple[Bin, ...]
    cuts: tuple[float, ...]
    texts: tuple[tuple[str, ...], ...]
    special: tuple[float, ...]
    unseen: int
    information: float
    ordered: int
    """How many of the bins, from the first, hold known values and are in order."""

    @property
    def name(self) -> str:
        """The column."""
        return self.source.name

    def place_of_bin(self, column: Column) -> Column:
        """The position in `bins` of the bin that a value is in; never NULL."""
        missing = F.lit(len(self.bins) - 1)
        if self.source.kind == "text":
            text = self.source.text(column)
            chosen = F.when(text.isNull(), missing)
            for place, values in enumerate(self.texts):
                if values:
                    chosen = chosen.when(text.isin(*values), F.lit(place))
            return chosen.otherwise(F.lit(self.unseen))
        number = self.source.number(column)
        chosen = F.when(number.isNull(), missing)
        for place, value in enumerate(self.special):
            chosen = chosen.when(number == value, F.lit(self.ordered + place))
        for place, cut in enumerate(self.cuts):
            chosen = chosen.when(number <= cut, F.lit(place))
        # A feature that only ever had missing values knows nothing of numbers: they are as missing.
        return chosen.otherwise(F.lit(self.ordered - 1) if self.ordered else missing)


def binned(source: Source, prebins: Sequence[Prebin], *, sign: int, totals: Totals, policy: Bins) -> BinnedFeature:
    """The best bins of a feature, in the declared order of bad rates where there is one (`sign` 1 or -1, else 0)."""
    special = [item for item in prebins if item.least in policy.special_values]
    known = [item for item in prebins if item.state != "missing" and item not in special]
    if source.kind == "text":  # the best grouping of values is one of neighbours in the order of their bad rates
        known.sort(key=lambda item: (_rate(item, totals), item.text or ""))
    good, bad = (np.array([getattr(item, name) for item in known], dtype=float) for name in ("good", "bad"))
    ends = _ends(source, good, bad, sign=sign, totals=totals, policy=policy) if known else ()
    runs = [known[start:end] for start, end in zip((0, *ends[:-1]), ends, strict=True)]
    cuts = [_between(left[-1], right[0]) for left, right in itertools.pairwise(runs)]
    is_text = source.kind == "text"
    labels = [_text_label(run) for run in runs] if is_text else _number_labels(cuts, known=bool(runs))
    bins = [_bin(label, run, totals, policy, least=0) for label, run in zip(labels, runs, strict=True)]
    places = [place for place, run in enumerate(runs) if any(item.state == "other" for item in run)]
    few = policy.least_missing_rows
    values = sorted({item.least for item in special if item.least is not None})
    bins += [_bin(f"{v:.12g}", [i for i in special if i.least == v], totals, policy, least=few) for v in values]
    if is_text and not places:
        bins.append(Bin(OTHER, 0, 0, 0.0))
    missing = [item for item in prebins if item.state == "missing"]
    bins.append(_bin("missing", missing, totals, policy, least=few))
    told = [item for item in bins if item.rows and item.woe]
    shares = [np.array([getattr(item, name) for item in told], dtype=float) for name in ("good", "bad")]
    return BinnedFeature(
        source=source,
        bins=tuple(bins),
        cuts=() if is_text else tuple(cuts),
        texts=tuple(tuple(i.text for i in run if i.text is not None) for run in runs) if is_text else (),
        special=tuple(values),
        unseen=places[0] if places else len(bins) - 2,
        information=float(information_of(shares[0], shares[1], totals, zero_cell=policy.zero_cell).sum()),
        ordered=len(runs),
    )


OTHER = "other values"


def _ends(
    source: Source, good: np.ndarray, bad: np.ndarray, *, sign: int, totals: Totals, policy: Bins
) -> tuple[int, ...]:
    def best(shape: Shape) -> Partition:
        return best_partition(
            good,
            bad,
            totals,
            shape=shape,
            least_rows=policy.least_share * totals.rows,
            most_bins=policy.most,
            noise=policy.noise,
            zero_cell=policy.zero_cell,
        )

    if source.kind == "text":
        return best("rising").ends
    if sign:
        return best("rising" if sign > 0 else "falling").ends
    monotone = max((best("rising"), best("falling")), key=lambda found: found.worth)
    free = best("free")
    return free.ends if free.worth > monotone.worth + policy.bend * totals.noise else monotone.ends


def _rate(item: Prebin, totals: Totals) -> float:
    """Bad rate, one row of the average added, so that few rows are not taken for extreme ones."""
    return (item.bad + totals.bad / totals.rows) / (item.good + item.bad + 1)


def _bin(label: str, items: Sequence[Prebin], totals: Totals, policy: Bins, *, least: int) -> Bin:
    good, bad = sum(item.good for item in items), sum(item.bad for item in items)
    if good + bad == 0 or good + bad < least:
        return Bin(label, good, bad, 0.0)
    woe = woe_of(np.array([float(good)]), np.array([float(bad)]), totals, zero_cell=policy.zero_cell)
    return Bin(label, good, bad, float(woe[0]))


def _between(left: Prebin, right: Prebin) -> float:
    """A limit between two numbers: the middle, where that is a number between them."""
    low, high = left.most, right.least
    if low is None or high is None:
        return 0.0  # texts have no limits
    middle = low / 2 + high / 2
    return middle if low <= middle < high else low


def _number_labels(cuts: Sequence[float], *, known: bool) -> list[str]:
    if not known:
        return []
    limits = ["-inf", *(f"{cut:.12g}" for cut in cuts), "inf"]
    return [f"({low}, {high}{')' if high == 'inf' else ']'}" for low, high in itertools.pairwise(limits)]


def _text_label(items: Sequence[Prebin]) -> str:
    return ", ".join([*sorted(item.text for item in items if item.text is not None), *_other(items)])


def _other(items: Sequence[Prebin]) -> list[str]:
    return [OTHER] if any(item.state == "other" for item in items) else []

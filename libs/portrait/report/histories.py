"""How each label came along over the newest slices, as a line of a few points, and what is measured of it now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from portrait.report.figures import Row
from portrait.report.markup import Head, Html, h, table
from portrait.report.texts import NONE, count, percent, plain, plural

LEGEND = (
    "By slice: the share of customers of whom the label is known and, thinner, of those for whom it is yes; "
    "the bottom is 0 %, the top 100 %."
)
WIDTH, HEIGHT = 120, 24
_PAD = 2


def histories(theme: str, rows: Sequence[Row], series: dict[str, list[Row]], name: Callable[[str], str]) -> Html:
    """One row per label of a theme: its history chart, flips, stability, cost and state."""
    heads = [Head("Label"), Head("By slice")]
    heads += [Head(text, True) for text in ("Flips", "PSI", "Rows read", "Seconds")] + [Head("State")]
    lines = [
        [
            h("span", name(row["label"]), id=f"label-{row['label']}"),
            _chart(name(row["label"]), series.get(row["label"], [])),
            percent(row.get("flip_rate")),
            _stability(row),
            count(row.get("rows_read")),
            NONE if row.get("seconds") is None else f"{float(row['seconds']):.3f}",
            _state(row),
        ]
        for row in rows
    ]
    return table(f"History of the labels of theme {plain(theme)}", heads, lines)


def _stability(row: Row) -> str:
    return NONE if row.get("psi") is None else f"{float(row['psi']):.2f} {row['drift']}"


def _state(row: Row) -> str:
    status = row.get("status")
    if status in (None, "trusted"):
        return status or NONE
    return h("span", status, class_="bad")


def _chart(name: str, slices: list[Row]) -> str:
    """Share of customers of whom the label is known, and below it of those for whom it is yes; oldest slice first."""
    if len(slices) < 2:
        return "one slice so far"
    known, yes = ([item[key] for item in slices] for key in ("known", "yes"))
    told = f"{name}, {plural(len(slices), 'slice')}: known {percent(known[0])}, now {percent(known[-1])}"
    if yes[-1] is not None:
        told += f"; yes {percent(yes[0])}, now {percent(yes[-1])}"
    lines = [*_lines(yes, "yes"), *_lines(known, "known")]
    return h("svg", *lines, class_="spark", role="img", aria_label=told, viewBox=f"0 0 {WIDTH} {HEIGHT}")


def _lines(shares: Sequence[float | None], css_class: str) -> list[Html]:
    """The line of a share, 0 below and 1 above; broken where the share is unknown."""
    step, room = (WIDTH - 2 * _PAD) / (len(shares) - 1), HEIGHT - 2 * _PAD
    runs: list[list[str]] = [[]]
    for place, share in enumerate(shares):
        if share is None:
            runs.append([])
        else:
            runs[-1].append(f"{_PAD + place * step:.0f},{HEIGHT - _PAD - float(share) * room:.1f}")
    # A point alone is drawn as a short stroke.
    drawn = [run if len(run) > 1 else [run[0], run[0].replace(",", ".5,")] for run in runs if run]
    return [h("polyline", points=" ".join(run), class_=css_class) for run in drawn]

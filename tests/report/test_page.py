"""The page as a whole, from figures made by hand: what it says, and that it works everywhere."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.report.figures import SERVED, figures, label, move, tier, unpublished

from portrait.contracts import Catalogue, Column, load_catalogue
from portrait.report.absent import LeftOut
from portrait.report.figures import Figures
from portrait.report.labels import chief_labels, spread
from portrait.report.page import OPERATION, render, sections
from portrait.report.style import CSS

TIERS = [tier("diamond", 1, 2, 1_800_000), tier("vip", 2, 18, 3_600_000), tier("growing", 3, 60, 3_000_000)]
TIERS += [tier("ordinary", 4, 110, 440_000, "below_levels"), tier("ordinary", 4, 10, 40_000, "assets_unknown")]
GROUPS = [
    {"group_id": 1, "group_name": "Savers <3", "description": "They save.", "customers": 60, "share": 0.6},
    {"group_id": 2, "group_name": "Students", "description": "They learn.", "customers": 40, "share": 0.4},
]
PROFILE = [
    {"group_id": g, "feature": f, "mean": 3.0, "overall_mean": 2.0, "z": z, "tgi": 140.0}
    for g, f, z in (
        (1, "balance_avg_90d", 1.8),
        (1, "spend_travel", 0.2),
        (2, "balance_avg_90d", -0.9),
        (2, "spend_travel", 0.1),
    )
]


def move_of_groups(before: int, now: int, event: str, customers: int, share: float | None) -> dict[str, Any]:
    """A row of gold.group_transition."""
    names = {"from_name": f"Group {before}" if before else None, "to_name": f"Group {now}"}
    row = {"from_group": before, "to_group": now, "event": event, "customers": customers, "share_of_from": share}
    return row | names


def measured(*, used: bool) -> list[dict[str, Any]]:
    """Rows of gold.recommendation_quality: NDCG .2 against .15 where it is used, else the other way round."""
    same = {"basis": "new", "kind": "all", "customers": 90, "recall": 0.3, "coverage": 0.5, "novelty": 2.5, "k": 10}
    same |= {"used": used, "reason": None if used else "it does not beat popularity: .15 against .20"}
    same |= {"fitted_on": date(1994, 3, 31), "held_out_from": date(1994, 3, 2)}
    against = {"difference": 0.05, "difference_low": 0.02, "difference_high": 0.08}
    popular = dict.fromkeys(against)
    good, bad = 0.2, 0.15
    return [
        same | against | {"method": "als", "ndcg": good if used else bad},
        same | popular | {"method": "popularity", "ndcg": bad if used else good},
    ]


@pytest.fixture(scope="module")
def catalogue(schemas_dir: Path) -> Catalogue:
    return load_catalogue(schemas_dir)


def page(
    made: Figures, catalogue: Catalogue, missing: list[LeftOut] | None = None, idle: list[str] | None = None
) -> str:
    return render(made, catalogue, missing=missing or [], idle=idle or [])


def text(html: str) -> str:
    """What a reader reads, in one line."""
    body = re.sub(r"<(style|title)>.*?</\1>", "", html.split("<body>")[1], flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", body).replace("\u00a0", " ").split())


@pytest.fixture(scope="module")
def full(catalogue: Catalogue) -> str:
    everything: dict[str, list[dict[str, Any]]] = {
        "tiers": TIERS,
        "tiers_before": [tier("ordinary", 4, 190, 1)],
        "migration": [
            move("growing", "vip", 3, 0.05),
            move("vip", "growing", 1, 0.0625),
            move("outside", "vip", 12, None),
        ],
        "groups": GROUPS,
        "profile": PROFILE,
        "group_rules": [
            {"group_id": 1, "rule": "deposits above 30,000", "rule_precision": 0.93, "stability": "not_trusted"},
            {"group_id": 2, "rule": None, "rule_precision": None, "stability": "stable"},
        ],
        "group_moves": [
            move_of_groups(1, 1, "kept", 57, 0.95),
            move_of_groups(3, 2, "merged", 19, 0.9),
            move_of_groups(0, 2, "entered", 5, None),
        ],
        "group_model": [
            {"is_published": False, "reason": "not published: too unstable", "ari_mean": 0.71, "rule_fidelity": 0.82}
            | {"is_rough": True}
        ],
        "grouping": [
            {"group_id": None, "not_grouped_reason": "no_transaction_in_window", "customers": 20, "margin": None}
        ],
        "labels": [label("has_card", "products", {"true": 80, "false": 70}), label("early_warning", "risk", {})],
        "products": [
            {
                "product_id": "P1",
                "product_name": "Card",
                "product_kind": "card",
                "customers": 90,
                "first": 70,
                "score": 0.5,
            }
        ],
        "rejections": [{"rule": "already_held", "product_id": "P1", "customers": 12}],
        "shopping_quality": measured(used=True),
        "shopping_items": [{"kind": "merchant", "title": "merchant <S1>", "customers": 60}],
        "files": [
            {
                "feed": "transactions",
                "status": "accepted",
                "files": 3,
                "rows_in": 1000,
                "rows_good": 990,
                "rows_bad": 10,
            }
            | {"columns_ignored": ["surplus"]}
        ],
        "quarantine": [{"feed": "transactions", "rule": "amount.type", "rows": 10}],
        "quarantine_rows": [{"feed": "transactions", "status": "open", "rows": 10}],
        "gates": [{"table_name": "gold.customer_tier", "severity": "error", "success": True, "rules": 14}],
        "failures": [],
        "reconciliation": [{"days": 2, "accounts": 1, "difference": 1.5, "absolute": 3.5, "largest": 2.5}],
        "jobs": [{"job": "customer_tier", "seconds": 3.4, "tables": ["gold.customer_tier"], "recorded_at": None}],
    }
    return page(figures(**everything), catalogue, [LeftOut("loans", ("silver.loans",), ("gold.customer_features",))])


# -- what it says


@pytest.mark.parametrize(
    "sentence",
    [
        "The Diamond tier is 1.0 % of customers and holds 20.3 % of all assets.",
        "200 +10 since 31 December 1993",
        "8.88 million 44,400 per customer",
        "3 moved up, 1 down; 12 are new, 0 left. Mobility index 0.250 (0: nobody moved).",
        "2 groups by behaviour; the largest, Savers &lt;3, is 60.0 % of the grouped customers.",
        "Rule: deposits above 30,000. 93.0 % of those are in the group. The group is not trusted.",
        "75.0 % of the customers grouped on both days are in the same group.",
        "3 Group 3 2 Group 2 19 90.0 % merged",
        "Not published: too unstable. Refits to samples agree with the new model by 0.71 "
        "(adjusted Rand index). The rules tell the group of 82.0 % of the customers, which is rough.",
        "Customers without a group: 20 (no transaction in window).",
        "2 labels in 2 themes, known for 37.5 % of customers on average. Known of nobody: Early warning.",
        "70 customers of 200 have a next best product; 1 product is recommended to someone.",
        "Used: it ranks what customers took for the first time from 1994-03-02 to 1994-03-31 better than popularity "
        "does. NDCG@10 0.200 against 0.150; difference +0.050 (+0.020 to +0.080).",
        "new to the customer all what customers buy 90 0.300 0.200 +0.050 (+0.020 to +0.080) 50.0 % 2.5",
        "merchant &lt;S1&gt; (merchant) 60",
        "1,000 rows came in, 10 of them (1.0 %) broke a rule. No gate failed.",
        "Columns that no contract knows, rejected: transactions: surplus.",
        "Run 7 worked for 3.4 s in 1 job.",
        "loans Left out: silver.loans. Computed without it: gold.customer_features.",
        "Published 22 November 2026, 01:12 UTC",
    ],
)
def test_the_page_says(full: str, sentence: str) -> None:
    assert sentence in text(full)


def test_a_model_of_purchases_that_is_not_used_says_why(catalogue: Catalogue) -> None:
    product = {"product_id": "P1", "product_name": "Card", "product_kind": "card", "customers": 9, "first": 9}
    rows = {"products": [product | {"score": 0.5}], "shopping_quality": measured(used=False)}
    said = text(page(figures(tiers=TIERS, **rows), catalogue))
    assert "Not used in recommendations: it does not beat popularity: .15 against .20." in said
    assert "Where customers would shop next" not in said


def test_absent_tables_leave_a_plain_sentence(catalogue: Catalogue) -> None:
    empty = text(page(unpublished(None), catalogue))
    for sentence in (
        "Not published",
        "Tiers were not computed for this day.",
        "Customers were not grouped for this day.",
        "Labels were not computed for this day.",
        "Recommendations were not computed for this day.",
        "No files were ingested through this lake.",
        "Balances were not reconciled.",
        "Nothing: every feed is there.",
    ):
        assert sentence in empty


def test_a_first_slice_has_nothing_to_compare_with(catalogue: Catalogue) -> None:
    assert "There is no earlier slice to compare with." in text(page(figures(tiers=TIERS), catalogue))


def test_a_slice_without_customers_is_no_error(catalogue: Catalogue) -> None:
    assert "The slice has no customers." in text(page(figures(tiers=[], labels=[], products=[], gates=[]), catalogue))


def test_an_unpublished_slice_says_what_readers_see(catalogue: Catalogue) -> None:
    assert "Not published; readers see an earlier state of this day, run 7" in text(
        page(unpublished(SERVED), catalogue)
    )
    older = SERVED.__class__(3, 5, date(1993, 12, 31), "publish", {}, SERVED.published_at)
    assert "Not published; readers see 31 December 1993, run 5" in text(page(unpublished(older), catalogue))


def test_a_product_that_was_refused_is_named_beside_what_was_published(catalogue: Catalogue) -> None:
    partly = replace(
        unpublished(SERVED), held={"offers": date(1993, 12, 31), "segments": None}, is_partly_published=True
    )
    assert (
        "Published 22 November 2026, 01:12 UTC, but for offers (readers see 31 December 1993), "
        "segments (never published)"
    ) in text(page(partly, catalogue))


def test_a_failed_gate_is_named_with_its_rows(catalogue: Catalogue) -> None:
    gates = [{"table_name": "gold.customer_tier", "severity": "error", "success": False, "rules": 1}]
    failures = [
        {
            "table_name": "gold.customer_tier",
            "rule": "assets.range",
            "severity": "error",
            "unexpected_count": 4,
            "total": 200,
        }
    ]
    shown = text(page(figures(gates=gates, failures=failures, files=[]), catalogue))
    assert "1 gate failed." in shown
    assert "assets.range customer_tier error 4 200" in shown


def test_rare_values_of_personal_labels_are_not_told_apart(catalogue: Catalogue) -> None:
    known = catalogue.with_columns(
        "gold.customer_portrait",
        [
            Column("occupation", "STRING", classification="personal"),
            Column("channel", "STRING", classification="internal"),
        ],
    )
    rows = [
        label("occupation", "facts", {"clerk": 150, "astronaut": 3}),
        label("channel", "facts", {"branch": 150, "telex": 3}),
    ]
    shown = page(figures(labels=rows), known)
    assert "astronaut" not in shown
    assert "other values" in shown
    assert "telex" in shown


def test_values_come_in_the_order_of_the_enumeration_and_numbers_have_commas() -> None:
    bands = Column("age_band", "STRING", classification="internal", enum=("under_18", "18_25", "26_35"))
    row = label("age_band", "facts", {"26_35": 90, "under_18": 20, "18_25": 60})
    assert spread(row, bands) == [("under_18", 20), ("18_25", 60), ("26_35", 90)]
    assert spread(row, None) == [("26_35", 90), ("18_25", 60), ("under_18", 20)]


def test_values_are_written_for_reading(catalogue: Catalogue) -> None:
    columns = [Column("band", "STRING"), Column("income", "BIGINT")]
    rows = [
        label("band", "x", {"26_35": 90, "true": 10}),
        label("income", "x", {"under 100000": 5, "1000000 and more": 7}),
    ]
    shown = text(page(figures(labels=rows), catalogue.with_columns("gold.customer_portrait", columns)))
    for value in ("26–35", "yes", "under 100,000", "1,000,000 and more"):
        assert value in shown


def test_only_a_handful_of_words_is_drawn(catalogue: Catalogue) -> None:
    columns = [
        Column("band", "STRING"),
        Column("income", "BIGINT"),
        Column("region", "STRING"),
        Column("member", "BOOLEAN"),
    ]
    known = catalogue.with_columns("gold.customer_portrait", columns)
    rows = [label("income", "x", {"under 10": 1, "under 100": 2}), label("region", "x", {str(n): 1 for n in range(77)})]
    rows += [label("band", "x", {"a": 1, "b": 2}), label("member", "x", {"true": 1})]
    assert [row["label"] for row in chief_labels(rows, known)] == ["band"]


def test_jobs_that_were_up_to_date_are_named(catalogue: Catalogue) -> None:
    shown = text(page(figures(jobs=[]), catalogue, idle=["entities", "balances"]))
    assert "Up to date, not run again: entities and balances." in shown


# -- that it works everywhere


class Outline(HTMLParser):
    """Tags, attributes and headings; fails on a tag that is closed out of order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.fixture(scope="module")
def outline(full: str) -> Outline:
    return Outline(full)


def test_nothing_is_loaded_from_anywhere(full: str, outline: Outline) -> None:
    assert not outline.all("script", "link", "img", "iframe", "object", "embed", "source", "base")
    addresses = [
        value for _, names in outline.tags for name, value in names.items() if name in ("src", "href", "srcset")
    ]
    assert addresses
    assert all(str(address).startswith("#") for address in addresses)
    assert not re.search(r"https?://|@import|@font-face|url\(|javascript:|<[^>]* on[a-z]+=", full)


def test_every_link_leads_somewhere_and_ids_are_unique(outline: Outline) -> None:
    ids = [names["id"] for _, names in outline.tags if names.get("id")]
    assert len(ids) == len(set(ids))
    targets = {str(names["href"]).removeprefix("#") for names in outline.all("a")}
    assert targets <= set(ids)
    assert {*OPERATION, *(section.anchor for section in sections())} <= targets


def test_headings_go_down_one_level_at_a_time(outline: Outline) -> None:
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_tables_and_pictures_can_be_heard(outline: Outline) -> None:
    assert len(outline.all("caption")) == len(outline.all("table")) > 8
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in outline.all("svg"))


def test_it_knows_its_language_and_the_width_of_a_phone(outline: Outline) -> None:
    assert outline.all("html")[0]["lang"] == "en"
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in outline.all("meta")


def test_the_file_is_small(full: str) -> None:
    assert len(full.encode()) < 500_000


def test_the_same_figures_give_the_same_page(catalogue: Catalogue) -> None:
    assert page(figures(tiers=TIERS), catalogue) == page(figures(tiers=TIERS), catalogue)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(over: str, ground: str, depth: float) -> str:
    pairs = [(int(over[place : place + 2], 16), int(ground[place : place + 2], 16)) for place in (1, 3, 5)]
    return "#" + "".join(f"{round(depth * front + (1 - depth) * back):02x}" for front, back in pairs)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: str) -> None:
    light, dark = CSS.split("@media (prefers-color-scheme: dark)")
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light if scheme == "light" else dark.split("* {")[0]))
    pairs = [("ink", "ground"), ("ink", "panel"), ("muted", "ground"), ("muted", "panel"), ("accent-ink", "panel")]
    pairs += [
        ("accent-ink", "ground"),
        ("good", "good-ground"),
        ("bad", "bad-ground"),
        ("bad", "panel"),
        ("muted", "track"),
    ]
    grounds = {name: colours[name] for _, name in pairs}
    # The deepest cell of a heat map, whose figure is written in ink.
    for name in ("above", "below"):
        grounds[name] = _mixed(colours[name], colours["panel"], 0.7)
        pairs.append(("ink", name))
    for front, ground in pairs:
        bright, dim = sorted((_luminance(colours[front]), _luminance(grounds[ground])), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, f"{front} on {ground} in {scheme}"


def test_each_label_has_its_history(catalogue: Catalogue) -> None:
    measured = {"flip_rate": 0.031, "psi": 0.3, "drift": "major", "rows_read": 50.0, "seconds": 0.0123}
    doubt = {"status": "suspect", "reasons": ["stability index 0.30 against 1993-12-31, above 0.25"]}
    rows = [label("has_card", "products", {"true": 80, "false": 70}) | measured | doubt]
    rows.append(label("new_one", "products", {"x": 150}) | {"status": "trusted", "reasons": []})
    shares = [(0.5, 0.0), (None, None), (0.75, 0.4), (1.0, 0.4)]
    slices = [{"as_of": f"1994-0{n}-01", "known": known, "yes": yes} for n, (known, yes) in enumerate(shares, 1)]
    series = [{"label": "has_card", "slices": slices}, {"label": "new_one", "slices": slices[:1]}]
    html = page(figures(labels=rows, label_series=series), catalogue)
    # 120 wide, 24 high, 2 free all round: slices lie 38.7 apart, a share of 1 lies 20 above one of 0.
    assert '<polyline points="2,12.0 2.5,12.0" class="known">' in html
    assert '<polyline points="79,7.0 118,2.0" class="known">' in html
    assert '<polyline points="79,14.0 118,14.0" class="yes">' in html
    shown = text(html)
    assert "Has card 3.1 % 0.30 major 50 0.012 suspect" in shown
    assert "New one one slice so far" in shown
    assert "Has card suspect stability index 0.30 against 1993-12-31, above 0.25" in shown
    assert 'aria-label="Has card, 4 slices: known 50.0 %, now 100.0 %; yes 0.0 %, now 40.0 %"' in html

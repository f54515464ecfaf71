"""Sections about the run: what came in, what was refused, which checks hold, how long it took, what the words mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from portrait.contracts import Catalogue
from portrait.report.absent import LeftOut
from portrait.report.charts import Bar, bars
from portrait.report.figures import Figures, Row
from portrait.report.markup import Head, Html, bar, card, folded, h, join, remark, section, table
from portrait.report.section import Tile
from portrait.report.texts import NONE, count, exact, listing, percent, plain, plural, ratio, seconds

GLOSSARY = {
    "As of": "The business date of a slice. Nothing that happened after it influences the slice.",
    "Slice": "The rows of a gold table that belong to one business date.",
    "Quarantine": "Rows that break the contract of their feed wait there, with file, line and rules, for a correction.",
    "Reconciliation": "An account-day does not reconcile when yesterday's balance and the day's bookings do not give "
    "the balance that the bank reported.",
    "Reference": "A value by which a row of one feed names a record of another, as a booking its account.",
    "Conflict": "Records of one key that say different things, delivered twice or at one instant.",
    "Gate": "The rules that every gold table must meet before readers see the slice.",
}


def quality_tiles(figures: Figures) -> list[Tile]:
    """Rules that hold, rows in quarantine, account-days that do not reconcile."""
    tiles = []
    if figures.has("gates"):
        rules = figures.total("gates", "rules")
        held = sum(int(row["rules"]) for row in figures["gates"] if row["success"])
        tiles.append(Tile("Quality rules", f"{count(held)} of {count(rules)}", "hold"))
    if figures.has("files"):
        waiting = sum(int(row["rows"]) for row in figures["quarantine_rows"] if row["status"] == "open")
        share = percent(ratio(waiting, figures.total("files", "rows_in")))
        tiles.append(Tile("Quarantined rows", count(waiting), f"{share} of rows received"))
    if figures["reconciliation"]:
        found = figures["reconciliation"][0]
        tiles.append(
            Tile("Unreconciled", count(found["days"]), f"account-days on {plural(found['accounts'], 'account')}")
        )
    return tiles


def quality_section(figures: Figures) -> Html:
    """Rows in, good and rejected by feed; rules that do not hold; balances that do not reconcile."""
    rows_in, rows_bad = figures.total("files", "rows_in"), figures.total("files", "rows_bad")
    failed = [row for row in figures["failures"] if row["severity"] == "error"]
    broken = f"{count(rows_bad)} of them ({percent(ratio(rows_bad, rows_in))})" if rows_bad else "none of them"
    lead = f"{count(rows_in)} rows came in, {broken} broke a rule."
    if figures.has("gates"):
        warnings = len(figures["failures"]) - len(failed)
        lead += " No gate failed" if not failed else f" {plural(len(failed), 'gate')} failed"
        lead += f"; {plural(warnings, 'warning')}." if warnings else "."
    return section(
        "quality",
        "Data quality",
        lead if figures.has("files") else "No files were ingested through this lake.",
        _feeds_card(figures) if figures.has("files") else None,
        h(
            "div",
            _gates_card(figures),
            _quarantine_card(figures),
            _reconciliation_card(figures),
            _references_card(figures),
            _conflicts_card(figures),
            class_="flow wide",
        ),
    )


def _feeds_card(figures: Figures) -> Html:
    feeds: dict[str, list[Row]] = defaultdict(list)
    for row in figures["files"]:
        feeds[row["feed"]].append(row)
    heads = [
        Head("Feed"),
        Head("Files"),
        *[Head(name, True) for name in ("Rows in", "Good", "Rejected", "Share rejected")],
    ]
    lines = []
    for feed, rows in sorted(feeds.items()):
        rows_in, good, bad = (sum(int(row[name] or 0) for row in rows) for name in ("rows_in", "rows_good", "rows_bad"))
        status = ", ".join(
            f"{count(row['files'])} {row['status']}" for row in sorted(rows, key=lambda row: row["status"])
        )
        share = ratio(bad, rows_in)
        lines.append([feed, status, count(rows_in), count(good), count(bad), bar(share, percent(share))])
    ignored = {
        feed: sorted({name for row in rows for name in row["columns_ignored"] or []}) for feed, rows in feeds.items()
    }
    extra = [f"{feed}: {', '.join(names)}" for feed, names in sorted(ignored.items()) if names]
    refused = [[row["file"], row["feed"], row["status"], row["reason"] or NONE] for row in figures["refused"]]
    file_heads = [Head("File"), Head("Feed"), Head("Status"), Head("Reason")]
    return card(
        "Files and rows by feed",
        table("Files and rows by feed", heads, lines),
        h("p", f"Columns that no contract knows, rejected: {'; '.join(extra)}.") if extra else None,
        table("Files that were not ingested", file_heads, refused, visible_caption=True) if refused else None,
        wide=True,
        note="For every file, rows in = good + rejected.",
    )


def _gates_card(figures: Figures) -> Html:
    name = "Quality gates"
    if not figures.has("gates"):
        return remark(name, "The gates did not run for this day.")
    tables: dict[str, list[Row]] = defaultdict(list)
    for row in figures["gates"]:
        tables[row["table_name"]].append(row)
    heads = [Head("Table"), Head("Rules that hold", True), Head("Errors", True), Head("Warnings", True)]
    lines = []
    for table_name, rows in sorted(tables.items()):
        held = sum(int(row["rules"]) for row in rows if row["success"])
        rules = sum(int(row["rules"]) for row in rows)
        broken = {
            severity: sum(int(row["rules"]) for row in rows if not row["success"] and row["severity"] == severity)
            for severity in ("error", "warning")
        }
        lines.append(
            [
                table_name.removeprefix("gold."),
                f"{count(held)} of {count(rules)}",
                _flag(broken["error"], "bad"),
                _flag(broken["warning"], "warned"),
            ]
        )
    fail_heads = [Head("Rule"), Head("Table"), Head("Severity"), Head("Rows", True), Head("Of", True)]
    failures = [
        [
            row["rule"],
            row["table_name"].removeprefix("gold."),
            row["severity"],
            count(row["unexpected_count"]),
            count(row["total"]),
        ]
        for row in figures["failures"]
    ]
    return card(
        name,
        table("Rules by table", heads, lines),
        table("Rules that do not hold", fail_heads, failures, visible_caption=True) if failures else None,
        note="Rules of the contracts, checked on every gold table, and on references of feeds, before publication. "
        "An error refuses it.",
    )


def _flag(broken: int, css_class: str) -> str:
    """A count that stands out when it is not zero."""
    return h("span", count(broken), class_=css_class) if broken else "0"


def _quarantine_card(figures: Figures) -> Html:
    name = "Quarantine by rule"
    if not figures["quarantine"]:
        return remark(name, "No row waits in quarantine.")
    ordered = sorted(figures["quarantine"], key=lambda row: (-int(row["rows"]), row["feed"], row["rule"]))
    released = sum(int(row["rows"]) for row in figures["quarantine_rows"] if row["status"] == "released")
    heads = [Head("Feed"), Head("Rule"), Head("Rows", True)]
    lines = [[row["feed"], row["rule"], count(row["rows"])] for row in ordered]
    return card(
        name,
        bars(
            "Rows in quarantine by rule",
            [Bar(f"{r['feed']}: {r['rule']}", r["rows"], count(r["rows"])) for r in ordered[:12]],
        ),
        folded("All rules", table("Rows in quarantine by feed and rule", heads, lines)) if len(ordered) > 12 else None,
        h("p", f"{plural(released, 'row')} {'was' if released == 1 else 'were'} released after a correction.")
        if released
        else None,
        note="Rows that wait. A row that breaks two rules counts under both.",
    )


def _reconciliation_card(figures: Figures) -> Html:
    name = "Reconciliation of balances"
    if not figures["reconciliation"]:
        return remark(name, "Balances were not reconciled.")
    row = figures["reconciliation"][0]
    if not row["days"]:
        return remark(name, "Every account-day closes: bookings and reported balances meet.")
    facts = {
        "Account-days that do not reconcile": count(row["days"]),
        "Accounts concerned": count(row["accounts"]),
        "Differences added up": exact(row["difference"]),
        "Added up without sign": exact(row["absolute"]),
        "Largest": exact(row["largest"]),
    }
    pairs = [join(h("dt", key), h("dd", value)) for key, value in facts.items()]
    return card(name, h("dl", *pairs, class_="facts"), note="Reported less expected balance, account currency.")


def _references_card(figures: Figures) -> Html:
    name = "References between feeds"
    if not figures["references"]:
        return remark(name, "No reference was judged for this day.")
    broken = sorted((row for row in figures["references"] if row["unexpected_count"]), key=lambda row: row["rule"])
    judged = plural(len(figures["references"]), "reference")
    if not broken:
        return remark(name, f"Every new row refers to a known record; {judged} judged.")
    heads = [Head("Feed"), Head("New rows", True), Head("Broken", True), Head("What it means")]
    lines = [
        [
            row["table_name"].removeprefix("bronze."),
            count(row["total"]),
            _flag(int(row["unexpected_count"]), "bad" if row["severity"] == "error" else "warned"),
            row["details"] or NONE,
        ]
        for row in broken
    ]
    note = (
        f"Rows that came since the last day that passed; {judged} judged. Identifiers as patterns: 9 digit, A letter."
    )
    return card(name, table("References that lead nowhere", heads, lines), note=note)


_WHY = {
    "last_delivered": "the later delivery counts",
    "first_delivered": "the earlier delivery counts",
    "other_account": "the id belongs to another account: not admitted",
    "later_line": "a later line of the file counts",
    "delete_wins": "files differ: the delete counts",
    "content_order": "files differ: the greater content counts",
}


def _conflicts_card(figures: Figures) -> Html:
    name = "Conflicts"
    if not figures["conflicts"]:
        return remark(name, "No two records of one key say different things.")
    heads = [Head("Feed"), Head("What counts"), Head("Records", True)]
    ordered = sorted(figures["conflicts"], key=lambda row: (row["feed"], row["why"]))
    lines = [[row["feed"], _WHY[row["why"]], count(row["records"])] for row in ordered]
    note = "Records of one key that say different things; both versions are in ops.conflicts."
    return card(name, table("Conflicts by feed", heads, lines), note=note)


def run_section(figures: Figures, missing: list[LeftOut], idle: list[str]) -> Html:
    """Seconds by job in the run, and what was left out because a feed is absent."""
    jobs = sorted(figures["jobs"], key=lambda row: -float(row["seconds"] or 0))
    total = sum(float(row["seconds"] or 0) for row in jobs)
    lead = f"Run {figures.run} worked for {seconds(total)} in {plural(len(jobs), 'job')}."
    rows = [Bar(plain(row["job"]), float(row["seconds"] or 0), seconds(float(row["seconds"] or 0))) for row in jobs]
    heads = [Head("Job"), Head("Seconds", True), Head("Tables written")]
    lines = [
        [row["job"], f"{float(row['seconds'] or 0):.1f}", ", ".join(row["tables"]) or "nothing to write"]
        for row in jobs
    ]
    times = card(
        "Time by job",
        bars("Seconds by job", rows) if rows else h("p", "No job is recorded for this run.", class_="empty"),
        h("p", f"Up to date, not run again: {listing(plain(name) for name in idle)}.") if idle else None,
        folded("In figures", table("Jobs of the run", heads, lines)) if lines else None,
    )
    return section("run", "The run", lead, times, _left_out_card(missing))


def _left_out_card(missing: list[LeftOut]) -> Html:
    name = "Left out"
    if not missing:
        return remark(name, "Nothing: every feed is there.")
    items = []
    for entry in missing:
        tables = h("p", f"Left out: {', '.join(entry.tables)}.") if entry.tables else None
        poorer = h("p", f"Computed without it: {', '.join(entry.poorer)}.") if entry.poorer else None
        items.append(h("li", h("b", entry.feed), tables, poorer))
    return card(
        name, h("ul", *items, class_="plain"), note="Feeds that the bank does not deliver, and what that costs."
    )


def glossary_section(figures: Figures, catalogue: Catalogue, terms: Mapping[str, str]) -> Html:
    """The terms of the report, and the tables from which its figures come."""
    entries = [h("div", h("dt", term), h("dd", meaning)) for term, meaning in terms.items()]
    heads = [Head("Table"), Head("What it holds"), Head("Rows of the slice", True)]
    lines = [
        [
            h("code", contract.id, id=contract.id),
            contract.description,
            count(figures.slice_rows[contract.id]) if contract.id in figures.slice_rows else "absent",
        ]
        for contract in catalogue.layer("gold")
    ]
    return section(
        "glossary",
        "Terms and tables",
        "What the terms mean, and where the figures come from.",
        card("Terms", h("dl", *entries, class_="terms"), wide=True),
        card("Gold tables", table("Gold tables and their rows", heads, lines), wide=True),
    )

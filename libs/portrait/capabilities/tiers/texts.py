"""Why a customer is in their tier, as a code and as a sentence.

Every number in a sentence stands in the row, in conf/tiers.yml, or is a level of the slice.
"""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.capabilities.tiers.levels import name_of, rank_in
from portrait.capabilities.tiers.policy import TIERS, Policy

_LAST = len(TIERS)


def reason_code(rules: Policy) -> Column:
    """One of the codes of the contract, most telling first.

    override: set by hand; rising: the month qualifies for a better tier, in force later; kept_below, kept_new,
    kept_unknown: the month qualifies for a worse one only, but the misses do not suffice, do not count yet, or assets
    are unknown and that says nothing; else by what the month qualifies: assets_and_score, assets_level, score_level,
    below_levels, tied_levels (what is reached too many reach), assets_unknown, owns_nothing.
    """
    level, tier = F.col("level_rank"), F.col("now.tier_rank")
    uncounted = "kept_unknown" if rules.unknown_assets == "hold" else "kept_new"
    return (
        F.when(F.col("override_until").isNotNull(), "override")
        .when(level < tier, "rising")
        .when((level > tier) & (F.col("now.misses") > 0) & _counted(rules), "kept_below")
        .when((level > tier) & F.col("assets").isNull() & (level == _LAST), uncounted)
        .when(level > tier, "kept_new")
        .otherwise(_level_code())
    )


def _counted(rules: Policy) -> Column:
    """Whether the month counted: with unknown_assets: hold, one with unknown assets does not."""
    if rules.unknown_assets == "miss":
        return F.lit(True)
    return F.col("assets").isNotNull() | (F.col("level_rank") < _LAST)


def _level_code() -> Column:
    level = F.col("level_rank")
    by_assets, by_score = F.col("rank_by_assets") == level, F.col("rank_by_score") == level
    return (
        F.when((level == _LAST) & F.col("owns_nothing"), "owns_nothing")
        .when((level == _LAST) & F.col("reaches_tied_level"), "tied_levels")
        .when((level == _LAST) & F.col("assets").isNull(), "assets_unknown")
        .when(level == _LAST, "below_levels")
        .when(by_assets & by_score, "assets_and_score")
        .when(by_assets, "assets_level")
        .otherwise("score_level")
    )


def sentence(rules: Policy, *, as_of: date) -> Column:
    """The reason and the movement in words."""
    first = (as_of.replace(day=1) + timedelta(days=31)).replace(day=1)
    tier, coming, facts = name_of(F.col("now.tier_rank")), F.col("coming_tier"), _facts()
    limit = F.element_at(
        F.array(*[F.lit(rules.misses_of(rank)) for rank in range(1, _LAST + 1)]), F.col("now.tier_rank")
    )
    counted = _words(" The tier is ", tier, ": month ", F.col("now.misses"), " of ", limit, " below it.")
    falls = F.when(coming.isNotNull(), _words(" It falls to ", coming, f" on {first}.")).otherwise(F.lit(""))
    texts = {
        "override": _words(
            "Set to ", F.col("tier"), " until ", F.col("override_until"), " (", F.col("override_reason"),
            "). By the policy: ", tier, ".",
        ),
        "rising": _words(facts, " The tier is ", tier, ", and ", coming, f" from {first} on."),
        "kept_below": F.concat(facts, counted, falls),
        "kept_new": _words(facts, " The tier is ", tier, ": its first months do not count."),
        "kept_unknown": _words(facts, " The tier is ", tier, ": a month with unknown assets does not count."),
    }  # fmt: skip
    result = facts
    for code, words in texts.items():
        result = F.when(F.col("reason_code") == code, words).otherwise(result)
    return F.concat(result, _movement())


def _facts() -> Column:
    """For which tier the month qualifies, and by which criterion."""
    assets, score, level = F.format_number("assets", 2), F.format_number("score", 2), F.col("level_tier")
    texts = {
        "assets_and_score": _words("Assets of ", assets, " and a score of ", score, " reach the ", level, " levels."),
        "assets_level": _words(
            "Assets of ", assets, " reach the ", level, " level of ", F.format_number("assets_level", 2), "."
        ),
        "score_level": _words(
            "A score of ", score, " reaches the ", level, " level of ", F.format_number("score_level", 2), "."
        ),
        "below_levels": _words("Assets of ", assets, " and a score of ", score, " stay below every level."),
        "tied_levels": _words(
            "Assets of ", F.coalesce(assets, F.lit("unknown size")), " and a score of ", score,
            " qualify for no tier: more customers reach the same level than its share allows.",
        ),
        "owns_nothing": F.lit("Owns no account and has no investments."),
        "assets_unknown": _words("Assets are unknown and a score of ", score, " stays below every level."),
    }  # fmt: skip
    result = F.lit(None).cast("string")
    for code, words in texts.items():
        result = F.when(_level_code() == code, words).otherwise(result)
    return result


def _movement() -> Column:
    """What changed against the slice before."""
    before = rank_in(F.col("previous_tier"))
    from_words = _words(" from ", F.col("previous_tier"), ".")
    return (
        F.when(F.col("previous_tier").isNull(), F.lit(""))
        .when(before > F.col("tier_rank"), _words(" Up", from_words))
        .when(before < F.col("tier_rank"), _words(" Down", from_words))
        .otherwise(F.lit(" Unchanged."))
    )


def _words(*parts: Column | str) -> Column:
    return F.concat(*[F.lit(part) if isinstance(part, str) else part for part in parts])

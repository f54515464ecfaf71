"""The line and price of a card that maximise expected profit under the bounds of a risk band.

profit(L) = (1 - PD) (interchange x spending(L) + (rate - ftp) x used x L) - PD x LGD x EAD(L) - hurdle x capital(L),
with EAD(L) = used x L + conversion x (L - used x L), capital(L) = capital_share x EAD(L), spending(L) = the smaller of
what the customer is expected to spend by card and turns x L; rate = ftp + PD x LGD + operating + hurdle x
capital_share, within the legal bounds.

Monotone: the profit of one more unit of line falls with PD (also where the price is at a bound), the price does not
fall, and bounds do not widen from band to band. Of equally good lines the smallest is taken.
"""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.card_terms.policy import BANDS, UNSCORED, CardTermsPolicy

CAPS: Final = ("income_multiple", "debt_service", "group_exposure")
"""Bounds of a line, in the order of reason codes."""


def with_best_line(rows: DataFrame, *, policy: CardTermsPolicy) -> DataFrame:
    """Adds rate, rate_wanted, limits (map of a cap to the most it allows), line, line_free, profit, codes.

    `rows`: customer_id, band, pd, ftp, income and debt (a month), spending (a year, at merchants), headroom (NULL: no
    group limit applies); amounts DOUBLE. line is NULL where no line within the bounds earns anything; line_free is the
    best line without bounds.
    """
    cost, lines = policy.cost, policy.lines
    wanted = F.col("ftp") + F.col("pd") * cost.loss_given_default + cost.operating + cost.hurdle * cost.capital_share
    rate = F.least(F.greatest(wanted, F.lit(policy.rate.least)), F.lit(policy.rate.most))
    service = F.greatest(_of_band(policy, "debt_service") * F.col("income") - F.col("debt"), F.lit(0.0))
    limits = {
        "income_multiple": _of_band(policy, "income_multiple") * F.col("income"),
        "debt_service": service / F.lit(policy.payment_share) if policy.payment_share else F.lit(float(lines.most)),
        "group_exposure": F.col("headroom"),
    }
    priced = rows.withColumns(
        {
            "rate_wanted": wanted,
            "rate": rate,
            "limits": F.create_map(*[part for name in CAPS for part in (F.lit(name), limits[name].cast("double"))]),
            "expected_spending": F.col("spending") * policy.income.spending_by_card,
        }
    )
    most = F.least(F.lit(float(lines.most)), *[F.col("limits")[name] for name in CAPS])  # least() skips NULL
    best, free = _best(most, policy), _best(F.lit(float(lines.most)), policy)
    found = priced.withColumns({"best": best, "best_free": free})
    line = F.when(F.col("best.profit") > 0, -F.col("best.less"))
    return found.withColumns(
        {"line": line, "line_free": F.when(F.col("best_free.profit") > 0, -F.col("best_free.less")),
         "profit": F.col("best.profit")}
    ).withColumn("codes", _codes(policy)).drop("best", "best_free", "expected_spending")  # fmt: skip


def _of_band(policy: CardTermsPolicy, name: str) -> Column:
    """A bound of the band of the row."""
    values = [part for band in (*BANDS, UNSCORED) for part in (F.lit(band), F.lit(getattr(policy.band(band), name)))]
    return F.create_map(*values)[F.col("band")]


def _best(most: Column, policy: CardTermsPolicy) -> Column:
    """A struct of the highest profit and the smallest line that has it, negated; NULL where `most` allows no line."""
    lines = policy.lines
    steps = F.floor((most - float(lines.least)) / float(lines.step) + F.lit(1e-9)).cast("int")
    tried = F.transform(
        F.sequence(F.lit(0), F.greatest(steps, F.lit(0))),
        lambda step: F.struct(
            F.round(_profit(_line(step, policy), policy), 6).alias("profit"), (-_line(step, policy)).alias("less")
        ),
    )
    return F.when(steps >= 0, F.array_max(tried))


def _line(step: Column, policy: CardTermsPolicy) -> Column:
    return F.lit(float(policy.lines.least)) + step * F.lit(float(policy.lines.step))


def _profit(line: Column, policy: CardTermsPolicy) -> Column:
    income, cost = policy.income, policy.cost
    spending = F.least(F.col("expected_spending"), line * income.turns)
    earned = spending * income.interchange + (F.col("rate") - F.col("ftp")) * income.used * line
    exposure = line * (income.used + cost.conversion * (1 - income.used))
    lost = F.col("pd") * cost.loss_given_default * exposure
    return (1 - F.col("pd")) * earned - lost - cost.hurdle * cost.capital_share * exposure


def _codes(policy: CardTermsPolicy) -> Column:
    """The bounds that bind: those that allow no larger line though a larger one would earn more, and of the price."""
    step, most = float(policy.lines.step), float(policy.lines.most)
    held_back = F.coalesce(F.col("line") < F.col("line_free"), F.col("line_free").isNotNull())
    next_line = F.coalesce(F.col("line") + step, F.lit(float(policy.lines.least)))
    binding = [F.when(held_back & (F.col("limits")[name] < next_line - 1e-6), name) for name in CAPS]
    at_most = F.when(F.col("line") >= most, "largest_line")
    price = F.when(F.col("rate_wanted") > policy.rate.most, "rate_ceiling").when(
        F.col("rate_wanted") < policy.rate.least, "rate_floor"
    )
    return F.array_compact(F.array(*binding, at_most, price))

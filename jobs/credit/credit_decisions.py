"""gold.credit_decisions: one row per application, appended once it is scored: approve, refer or decline, and why.

Also gold.credit_monitoring (stability and calibration of the scorecard) and gold.credit_fairness (decisions by groups
of applicants). Reads the slice of gold.credit_scores, silver.applications, silver.customers, and the slice of
gold.customer_warnings where there is one; conf/credit.yml. An application that was decided is not decided again; a
rerun replaces the slices.
"""

from __future__ import annotations

from pyspark.sql import functions as F

from portrait.capabilities.credit.card_file import MODEL, read_card
from portrait.capabilities.credit.decisions import credit_decisions
from portrait.capabilities.credit.monitoring import calibration_rows, fairness, stability_rows
from portrait.capabilities.credit.policy import load_credit_policy
from portrait.lake import ModelStore
from portrait.run.job import job_arguments, open_lake, submit
from portrait.spark.frames import frame_of

DECISIONS, MONITORING, WARNINGS = "gold.credit_decisions", "gold.credit_monitoring", "gold.customer_warnings"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, policy = args.as_of, load_credit_policy(args.conf)
    with open_lake(args) as lake:
        zone, scores = lake.catalogue.time_zone, lake.slice("gold.credit_scores", day)
        warned = WARNINGS in lake.catalogue.contracts and day in lake.slices(WARNINGS)
        warnings = lake.slice(WARNINGS, day) if warned else None
        new = scores
        if lake.has(DECISIONS):
            new = scores.join(lake.read(DECISIONS).select("application_id"), on="application_id", how="left_anti")
        lake.append(DECISIONS, credit_decisions(new, warnings, policy=policy.decisions, as_of=day))
        decided = lake.read(DECISIONS).where(F.col("decided_on") <= F.lit(day))
        rows = calibration_rows(
            decided, lake.read("silver.applications"), policy=policy.monitoring, as_of=day, zone=zone
        )
        model = ModelStore(lake).current(MODEL, until=day)
        if model is not None and model.as_of == day:
            card, grades = read_card(model.folder)
            rows += stability_rows(scores, card, grades, policy=policy.monitoring, as_of=day)
        lake.replace(MONITORING, frame_of(lake.spark, rows, lake.catalogue.table(MONITORING).struct_type), day)
        customers = lake.read("silver.customers")
        groups = fairness(decided, customers, policy=policy.monitoring, as_of=day, zone=zone)
        lake.replace("gold.credit_fairness", groups, day)


if __name__ == "__main__":
    submit(main)

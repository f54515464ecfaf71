"""gold.loan_hazards: one row per loan at risk, and as_of: the probability of falling into arrears within twelve months.

Also loans that fell into arrears within a year, and whether they were warned of; and gold.hazard_model (one row: what
the model was fitted on, and how it ranked). Reads silver.account_parties, and where there are such silver.loans and
silver.instalments; conf/early_warning.yml. The model is `loan_hazard` in ops.models; where too few loans fell into
arrears there is none. A rerun replaces the slices.
"""

from __future__ import annotations

from portrait.capabilities.early_warning.hazard import MODEL, counted_patterns, loan_hazards, loan_months, month_ends
from portrait.capabilities.early_warning.hazard_fit import fit_hazard, judge
from portrait.capabilities.early_warning.hazard_rows import hazard_row, no_hazards
from portrait.capabilities.early_warning.payments import debtors_at
from portrait.capabilities.early_warning.policy import load_warning_policy
from portrait.lake import ModelStore
from portrait.run.job import job_arguments, open_lake, submit
from portrait.spark.frames import frame_of

LOANS, FITTED = "gold.loan_hazards", "gold.hazard_model"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, warnings = args.as_of, load_warning_policy(args.conf)
    policy = warnings.hazard
    with open_lake(args) as lake:
        zone, layout = lake.catalogue.time_zone, lake.catalogue.table(FITTED).struct_type
        tables = {name: lake.read(f"silver.{name}") for name in ("loans", "instalments") if lake.has(f"silver.{name}")}
        if len(tables) < 2:
            lake.replace(LOANS, no_hazards(lake.spark, lake.catalogue.table(LOANS).struct_type), day)
            lake.replace(FITTED, frame_of(lake.spark, [hazard_row([], None, None, policy, day)], layout), day)
            return
        ends = month_ends(day, policy.history_months)
        months = loan_months(
            tables, policy=policy, late_days=warnings.late_days, ends=ends, as_of=day, zone=zone
        ).persist()
        patterns = counted_patterns(months, policy=policy, ends=ends)
        model, version = fit_hazard(patterns, policy), None
        if model is not None:
            events = float(sum(pattern.fell for pattern in patterns))
            version = ModelStore(lake).save(MODEL, model.write, as_of=day, metrics={"events": events}, parameters={})
        debtors = debtors_at(lake.read("silver.account_parties"), as_of=day, zone=zone)
        rows = loan_hazards(months, debtors, model, policy=policy, model_version=version, as_of=day)
        lake.replace(LOANS, rows, day)
        row = hazard_row(patterns, judge(patterns, ends, policy), version, policy, day)
        lake.replace(FITTED, frame_of(lake.spark, [row], layout), day)


if __name__ == "__main__":
    submit(main)

"""gold.loan_warnings: one row per loan that runs or is in arrears, and as_of: days past due, class, signals.

Also gold.customer_warnings (a row per customer). Reads the slice of gold.customer_features, silver.account_parties, and
where there are such silver.loans, silver.instalments and the slice of gold.customer_relations; conf/early_warning.yml
and the signals in conf/early_warning/. A rerun replaces the slices.
"""

from __future__ import annotations

from portrait.capabilities.early_warning.payments import classified, debtors_at, loan_payments
from portrait.capabilities.early_warning.policy import load_signals, load_warning_policy
from portrait.capabilities.early_warning.warnings import customer_signals, customer_warnings, loan_warnings, no_loans
from portrait.run.job import job_arguments, open_lake, submit

RELATIONS = "gold.customer_relations"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, policy = args.as_of, load_warning_policy(args.conf)
    with open_lake(args) as lake:
        signals, zone = load_signals(args.conf, lake.catalogue), lake.catalogue.time_zone
        present = [name for name in ("loans", "instalments") if lake.has(f"silver.{name}")]
        tables = {name: lake.read(f"silver.{name}") for name in present}
        features = lake.slice("gold.customer_features", day)
        if "loans" in tables:
            debtors = debtors_at(lake.read("silver.account_parties"), as_of=day, zone=zone)
            paid = loan_payments(tables, policy=policy, as_of=day, zone=zone)
            loans = classified(paid, debtors, policy=policy).persist()
        else:
            loans = no_loans(lake.spark)
        related = RELATIONS in lake.catalogue.contracts and day in lake.slices(RELATIONS)
        relations = lake.slice(RELATIONS, day) if related else None
        customers = customer_signals(features, loans, relations, signals=signals, as_of=day).persist()
        lake.replace("gold.loan_warnings", loan_warnings(loans, customers, as_of=day), day)
        rows = customer_warnings(customers, features, signals=signals, policy=policy, as_of=day)
        lake.replace("gold.customer_warnings", rows, day)


if __name__ == "__main__":
    submit(main)

"""gold.fund_alerts: one row per pattern of transfers, account and as_of: pass-through, fans, circles, structuring.

Also gold.leakage (a row per customer and other institution) and gold.customer_leakage (a row per customer). Reads
silver.transactions of the last 180 days and the slice of gold.customer_features; conf/funds.yml. A rerun replaces the
slices.
"""

from __future__ import annotations

from portrait.capabilities.funds.alerts import fund_alerts
from portrait.capabilities.funds.leakage import customer_leakage, leakage
from portrait.capabilities.funds.policy import load_funds_policy
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, policy = args.as_of, load_funds_policy(args.conf)
    with open_lake(args) as lake:
        transactions = lake.read("silver.transactions")
        lake.replace("gold.fund_alerts", fund_alerts(transactions, policy=policy.alerts, as_of=day), day)
        lake.replace("gold.leakage", leakage(transactions, policy=policy.leakage, as_of=day), day)
        customers = lake.slice("gold.customer_features", day)
        leaks = lake.slice("gold.leakage", day)
        lake.replace("gold.customer_leakage", customer_leakage(customers, leaks, as_of=day), day)


if __name__ == "__main__":
    submit(main)

"""gold.group_advice: one row per group, piece of advice, category and as_of, with evidence, moment and channel.

Also gold.group_behaviour (a row per group and category): shares, target group indices, seasons, share of wallet,
baskets. Reads the slices of gold.customer_group, gold.group_summary, gold.group_profile and gold.customer_features,
and a year of silver.transactions; conf/advice.yml, conf/advice. A rerun replaces the slices.
"""

from __future__ import annotations

from portrait.capabilities.advice.behaviour import behaviours, frequent_sets, spending
from portrait.capabilities.advice.policy import load_advice, load_advice_policy
from portrait.capabilities.advice.rules import give_advice
from portrait.capabilities.advice.tables import advice_rows, behaviour_rows
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        day, policy = args.as_of, load_advice_policy(args.conf)
        groups = lake.slice("gold.group_summary", day).collect()  # a row per group
        profile = lake.slice("gold.group_profile", day).where("feature like 'channel_%'").orderBy("z", ascending=False)
        names = {row["group_id"]: row["group_name"] for row in groups}
        channels: dict[int, list[str]] = {group: [] for group in names}
        for row in profile.collect():  # a row per group and channel
            channels[row["group_id"]].append(row["feature"].removeprefix("channel_"))
        tenure = lake.slice("gold.customer_features", day).select("customer_id", "tenure_days")
        members = lake.slice("gold.customer_group", day).select("customer_id", "group_id")
        customers = members.join(tenure, on="customer_id", how="inner").persist()
        bookings = lake.read("silver.transactions")
        rows = spending(bookings, customers, as_of=day, least_tenure_days=policy.least_tenure_days).collect()
        sets = frequent_sets(bookings, customers, as_of=day, support=policy.basket_support) if rows else {}
        sizes = {row["group_id"]: row["customers"] for row in groups}
        found = behaviours(rows, sizes, sets, as_of=day, policy=policy)
        given = give_advice(found, load_advice(args.conf), names=names, channels=channels, policy=policy)
        level = policy.false_discoveries
        lake.replace("gold.group_behaviour", behaviour_rows(lake.spark, found, as_of=day, level=level), day)
        lake.replace("gold.group_advice", advice_rows(lake.spark, given, names=names, as_of=day), day)


if __name__ == "__main__":
    submit(main)

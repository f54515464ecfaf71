"""gold.group_exposure: one row per customer or group that the bank has lent to, and as_of, with the use of limits.

Also gold.customer_relations (a row per customer). Reads the slices of gold.relation_groups, gold.relation_edges,
gold.ownership and gold.customer_features, silver.account_parties, and where the bank delivers them loans, instalments,
cards and exchange_rates; conf/relations.yml, conf/currencies.yml. A rerun replaces the slices.
"""

from __future__ import annotations

from portrait.capabilities.relations.exposure import customer_relations, facilities, group_exposure, owed_by
from portrait.capabilities.relations.policy import load_relations_policy
from portrait.entities.currencies import conversion_of, load_currency_policy
from portrait.entities.versions import as_of as versions_at
from portrait.run.job import job_arguments, open_lake, submit

OPTIONAL = ("loans", "instalments", "cards")


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, policy = args.as_of, load_relations_policy(args.conf)
    with open_lake(args) as lake:
        zone = lake.catalogue.time_zone
        present = [name for name in OPTIONAL if lake.has(f"silver.{name}")]
        tables = {name: lake.read(f"silver.{name}") for name in ("account_parties", *present)}
        conversion = conversion_of(lake, policy=load_currency_policy(args.conf))
        lent = facilities(tables, conversion, as_of=day, zone=zone)
        owed = owed_by(lent, versions_at(tables["account_parties"], day, zone=zone))
        members, edges = lake.slice("gold.relation_groups", day), lake.slice("gold.relation_edges", day)
        lake.replace("gold.group_exposure", group_exposure(owed, members, edges, limits=policy.limits, as_of=day), day)
        customers, ownership = lake.slice("gold.customer_features", day), lake.slice("gold.ownership", day)
        exposure = lake.slice("gold.group_exposure", day)
        rows = customer_relations(customers, members, edges, ownership, exposure, as_of=day)
        lake.replace("gold.customer_relations", rows, day)


if __name__ == "__main__":
    submit(main)

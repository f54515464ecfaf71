"""gold.relation_groups: one row per kind of group, member and as_of: families, company groups, connected customers.

Also gold.relation_edges (a row per pair of customers or companies and kind of relation), gold.ownership (a row per
owner and company), gold.ownership_faults and gold.relation_group_events (what became of groups since the slice before).
Reads silver.relations, and where the bank delivers them companies and account_parties, as known at as_of; the slice
before of gold.relation_groups, whose ids are kept; conf/relations.yml. A rerun replaces the slices.
"""

from __future__ import annotations

from portrait.capabilities.relations.edges import relation_edges
from portrait.capabilities.relations.groupings import group_events, grouped_members, ties_of
from portrait.capabilities.relations.owners import frame_like, listed_companies, owners_of_companies
from portrait.capabilities.relations.policy import load_relations_policy
from portrait.run.job import job_arguments, open_lake, submit

GROUPS = "gold.relation_groups"
TABLES = ("relations", "companies", "account_parties")


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, policy = args.as_of, load_relations_policy(args.conf)
    with open_lake(args) as lake:
        zone = lake.catalogue.time_zone
        tables = {name: lake.read(f"silver.{name}") for name in TABLES if lake.has(f"silver.{name}")}
        lake.replace("gold.relation_edges", relation_edges(tables, policy=policy, as_of=day, zone=zone), day)
        edges = lake.slice("gold.relation_edges", day)
        companies = listed_companies(tables, as_of=day, zone=zone)
        owners = owners_of_companies(edges, companies, policy=policy.ownership, as_of=day)
        for table, rows in (("gold.ownership", owners.pairs), ("gold.ownership_faults", owners.faults)):
            lake.replace(table, frame_like(lake.spark, rows, lake.catalogue.table(table)), day)
        before = lake.previous_slice(GROUPS, day)
        ties = ties_of(edges, lake.slice("gold.ownership", day), policy=policy)
        lake.replace(GROUPS, grouped_members(ties, before, policy=policy, as_of=day), day)
        events = group_events(lake.slice(GROUPS, day), before, as_of=day)
        first = lake.previous_as_of(GROUPS, day) is None
        lake.replace("gold.relation_group_events", events.limit(0) if first else events, day)


if __name__ == "__main__":
    submit(main)

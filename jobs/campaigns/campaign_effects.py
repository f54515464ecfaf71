"""gold.campaign_effects: one row per campaign and as_of: what it caused, by the arms that the lot gave.

Campaigns of conf/campaigns (slice of gold.campaign_assignments) and those of the bank's feeds campaigns and contacts;
outcomes of the feed responses; features of the last slice before each start. Before its last day a campaign's figures
are interim. A rerun replaces the slice; late responses correct later slices.
"""

from __future__ import annotations

from portrait.capabilities.campaigns.declaration import load_campaigns
from portrait.capabilities.campaigns.effects import write_effects
from portrait.capabilities.campaigns.policy import load_campaign_policy
from portrait.labels import load_labels
from portrait.labels.declared import Declared
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    policy = load_campaign_policy(args.conf)
    with open_lake(args) as lake:
        campaigns = load_campaigns(args.conf, Declared(lake.catalogue, load_labels(args.conf, lake.catalogue)))
        write_effects(lake, campaigns, policy=policy, as_of=args.as_of)


if __name__ == "__main__":
    submit(main)

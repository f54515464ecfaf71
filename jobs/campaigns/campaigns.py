"""gold.campaign_assignments: one row per campaign, assigned customer and as_of: the arm, and the decision of the day.

Also gold.campaign_contacts (the ledger: a row per event of a contact), gold.campaign_constraints (a row per capacity)
and gold.campaigns (a row per campaign of conf/campaigns). Reads the slices of features, portrait and audience members,
the feeds of contacts, outcomes, responses and feedback, and ops.campaign_starts: a campaign that was not started
contacts nobody, nor does any where what a veto needs is missing. A rerun replaces the slices and adds nothing to the
ledger; for a day before contacts that are planned already it plans nothing.
"""

from __future__ import annotations

from portrait.capabilities.campaigns.daily import run_day
from portrait.capabilities.campaigns.declaration import load_campaigns
from portrait.capabilities.campaigns.policy import load_campaign_policy
from portrait.labels import load_labels
from portrait.labels.declared import Declared
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    policy = load_campaign_policy(args.conf)
    with open_lake(args) as lake:
        campaigns = load_campaigns(args.conf, Declared(lake.catalogue, load_labels(args.conf, lake.catalogue)))
        run_day(lake, campaigns, policy=policy, conf=args.conf, as_of=args.as_of)


if __name__ == "__main__":
    submit(main)

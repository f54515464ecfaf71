"""gold.credit_scores: one row per application received lately, and as_of: points, probability, grade, reasons, facts.

Reads silver.applications and silver.customers, and where the bank delivers them accounts, account_parties and loans, as
known on the day an application was received; conf/credit.yml. The scorecard is fitted on all applications whose outcome
is known at as_of and is the model `scorecard` in ops.models; where outcomes are too few there is none. A rerun replaces
the slice.
"""

from __future__ import annotations

from datetime import timedelta

from portrait.capabilities.credit.applicants import application_facts
from portrait.capabilities.credit.card_file import MODEL, read_card, write_card
from portrait.capabilities.credit.cutoff import grades_of
from portrait.capabilities.credit.decisions import credit_scores, fitted_card, outcome_counts
from portrait.capabilities.credit.policy import load_credit_policy
from portrait.lake import ModelStore
from portrait.run.job import job_arguments, open_lake, submit

TABLES = ("applications", "customers", "accounts", "account_parties", "loans")


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, policy = args.as_of, load_credit_policy(args.conf)
    with open_lake(args) as lake:
        zone = lake.catalogue.time_zone
        tables = {name: lake.read(f"silver.{name}") for name in TABLES if lake.has(f"silver.{name}")}
        facts = application_facts(tables, policy=policy.applications, as_of=day, zone=zone).persist()
        card, version = fitted_card(facts, policy=policy), None
        if card is not None:
            store = ModelStore(lake)
            before = store.current(MODEL, until=day - timedelta(1))
            earlier = None if before is None else read_card(before.folder)[0]
            if earlier is not None and not {item.source.name for item in earlier.features} <= set(facts.columns):
                before = earlier = None  # it reads what is no fact of an application any more
            outcomes = outcome_counts(facts, card, earlier=earlier, policy=policy)
            metrics = {"good": float(card.totals.good), "bad": float(card.totals.bad), **card.information}
            compared = None if before is None else before.version
            version = store.save(
                MODEL,
                lambda folder: write_card(
                    card, folder, grades=grades_of(outcomes), outcomes=outcomes, earlier=compared
                ),
                as_of=day,
                metrics=metrics,
                parameters=card.left_out,
            )
        rows = credit_scores(facts, card, policy=policy, model_version=version, as_of=day)
        lake.replace("gold.credit_scores", rows, day)


if __name__ == "__main__":
    submit(main)

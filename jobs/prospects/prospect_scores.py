"""gold.prospect_scores: one row per customer and as_of whom a model of conf/prospects scores.

Also gold.prospect_models (a row per target: its model and metrics, or why nothing is scored) and ops.models. Models
learn from earlier slices of gold.customer_features whose horizon has passed, and from what silver tables say that
customers did since; with too few of them there is no model, and no score. A rerun replaces the slices.
"""

from __future__ import annotations

from portrait.capabilities.prospects.contest import judge_target
from portrait.capabilities.prospects.declaration import FEATURES, SCORES, load_targets
from portrait.capabilities.prospects.policy import load_propensity_policy
from portrait.capabilities.prospects.scores import Judged, model_rows, prospect_scores, scores_of
from portrait.capabilities.prospects.training import event_days, population
from portrait.entities.ownership import people_of
from portrait.events import event
from portrait.labels import load_labels
from portrait.labels.declared import Declared
from portrait.run.job import job_arguments, open_lake, submit
from portrait.spark.frames import frame_of

MODELS = "gold.prospect_models"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    policy = load_propensity_policy(args.conf)
    with open_lake(args) as lake:
        day, zone, catalogue = args.as_of, lake.catalogue.time_zone, lake.catalogue
        contract, features = catalogue.table(SCORES), lake.slice(f"gold.{FEATURES}", day)
        needed = [table for table in (*contract.reads, *contract.reads_optional) if lake.has(table)]
        tables = {table.split(".")[1]: lake.read(table) for table in needed if not table.startswith("gold.")}
        people = people_of(tables["account_parties"], tables["accounts"], as_of=day, zone=zone)
        meanings = {column.name: column.description for column in catalogue.table(f"gold.{FEATURES}").columns}
        judged, scored = [], []
        for target in load_targets(args.conf, Declared(catalogue, load_labels(args.conf, catalogue))):
            days = event_days(tables, people, target.target.event, as_of=day, zone=zone)
            if days is None:
                absent = f"the bank does not deliver what says who did it ({target.source})"
                judged.append(Judged(target, None, {"reason": absent}))
                continue
            found = judge_target(lake, target, days, policy=policy, as_of=day)
            judged.append(found)
            if found.model is not None:
                could, most = population(features, target, days), policy.training.reasons
                scored.append(scores_of(could, found, model=found.model, meanings=meanings, most=most))
        for item in judged:
            if item.model is None:
                event("prospects_refused", as_of=day, target=item.target.target.id, reason=item.facts["reason"])
                print(f"no scores of {item.target.target.title!r} for {day}: {item.facts['reason']}")
        if scored or day in lake.slices(SCORES):
            lake.replace(SCORES, prospect_scores(features, scored, contract=contract, as_of=day), day)
        written = lake.rows(SCORES, as_of=day) if scored else None  # not computed twice
        rows = model_rows(judged, written, contract=catalogue.table(MODELS), as_of=day)
        lake.replace(MODELS, frame_of(lake.spark, rows, catalogue.table(MODELS).struct_type), day)


if __name__ == "__main__":
    submit(main)

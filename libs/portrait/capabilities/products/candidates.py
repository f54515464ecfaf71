"""Every customer beside every template, with what the rules of the room offers say: they are asked first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame

from portrait.capabilities.offers.eligibility import customer_facts, judged_candidates
from portrait.capabilities.offers.policy import load_recommendation_policy
from portrait.capabilities.products.policy import Template
from portrait.capabilities.products.templates import card_holders, product_rows
from portrait.entities.recorded import load_recorded
from portrait.events import event


def judged_templates(
    features: DataFrame, tiers: DataFrame, groups: DataFrame, templates: Sequence[Template], *, conf: Path, as_of: date
) -> DataFrame:
    """One row per customer and template with `rule`; see portrait.capabilities.offers.eligibility.judged_candidates.

    Where the data of the day contradict conf/marketing.yml nothing may be offered, and the run says so.
    """
    recorded = load_recorded(conf)
    if contradictions := recorded.contradictions(features):
        event("products_refused", as_of=as_of, reasons=contradictions)
        print(f"no configured product is offered for {as_of}: {'; '.join(contradictions)}")
    return judged_candidates(
        customer_facts(features, tiers, groups, recorded=recorded),
        product_rows(features.sparkSession, templates),
        card_holders(features, templates),
        policy=load_recommendation_policy(conf),
        as_of=as_of,
        contradicted=bool(contradictions),
    )

"""ops.quality_results: one row per table, rule and as_of: how many rows break the rule.

Reads every gold table that has a slice of the day and checks it against its contract with Great Expectations; of the
feeds (bronze) it checks what new rows refer to, against the shares of conf/references.yml. A rerun
replaces the results of the day. It refuses nothing by itself: `publish` reads the results, and holds back each data
product of which a rule of severity error failed.
"""

from __future__ import annotations

from portrait.entities.currencies import conversion_of, load_currency_policy
from portrait.quality import (
    check_gold,
    check_references,
    load_reference_policy,
    missing_rates,
    results_frame,
)
from portrait.run.job import job_arguments, open_lake, submit

TABLE = "ops.quality_results"


def main(argv: list[str] | None = None) -> None:
    """Check the slices of the day and record what was found."""
    args = job_arguments(__doc__).parse_args(argv)
    policy = load_reference_policy(args.conf)
    with open_lake(args) as lake:
        results = [*check_gold(lake, args.as_of), *check_references(lake, args.as_of, policy=policy)]
        conversion = conversion_of(lake, policy=load_currency_policy(args.conf))
        if conversion:
            missing = conversion.missing(lake.read("silver.transactions")).orderBy("currency").collect()
            results += [missing_rates(**row.asDict()) for row in missing]
        lake.replace(TABLE, results_frame(lake, results, as_of=args.as_of), args.as_of)


if __name__ == "__main__":
    submit(main)

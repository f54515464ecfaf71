"""ops.quality_results: one row a gold table, rule and as_of: how many rows of the slice break the rule.

Reads every gold table that has a slice of the day and checks it against its contract with Great Expectations. A rerun
replaces the results of the day. A rule of severity error that fails refuses publication (exit 4) after the results are
written; what was published before stays served.
"""

from __future__ import annotations

from portrait.entities.currencies import conversion_of, load_currency_policy
from portrait.job import job_arguments, open_lake, submit
from portrait.quality import check_gold, gate, missing_rates, results_frame

TABLE = "ops.quality_results"


def main(argv: list[str] | None = None) -> None:
    """Check the slices of the day, record what was found, refuse what must not be published."""
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        results = check_gold(lake, args.as_of)
        conversion = conversion_of(lake, policy=load_currency_policy(args.conf))
        if conversion:
            missing = conversion.missing(lake.read("silver.transactions")).orderBy("currency").collect()
            results += [missing_rates(**row.asDict()) for row in missing]
        lake.replace(TABLE, results_frame(lake, results, as_of=args.as_of), args.as_of)
        gate(results)


if __name__ == "__main__":
    submit(main)

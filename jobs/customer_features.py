"""gold.customer_features: one row per customer and as_of, with what the bank knows and every feature of conf/features.

Reads silver.customer_daily, transactions, balances, accounts, account_parties and customers, and where the bank
delivers them silver.holdings, products, cards and loans, and bronze.contacts, responses and companies. Who is a
customer may be narrowed by conf/population.yml. Features of bookings slide from the slice before, where there is one of
the same code. With accounts of several currencies (conf/currencies.yml) amounts are in the reporting currency, by
silver.exchange_rates, and nothing slides. A rerun replaces the slice.
"""

from __future__ import annotations

from portrait.entities.currencies import conversion_of, load_currency_policy
from portrait.entities.money import unless_it_overflows
from portrait.features import customer_features, load_features, load_population
from portrait.features.bookings import Care
from portrait.features.facts import in_one_currency
from portrait.features.sliding import earlier_slice
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    features = load_features(args.conf)
    with open_lake(args) as lake:
        contract = lake.catalogue.table("gold.customer_features")
        present = [table for table in (*contract.reads, *contract.reads_optional) if lake.has(table)]
        sources = {table.split(".")[1]: lake.read(table) for table in present}
        conversion = conversion_of(lake, policy=load_currency_policy(args.conf))
        if conversion:
            sources = in_one_currency(sources, conversion=conversion, as_of=args.as_of)

        def write(exact: bool) -> None:
            wide = customer_features(
                sources,
                features=features,
                population=load_population(args.conf),
                as_of=args.as_of,
                bookings=lake.catalogue.table("silver.transactions"),
                earlier=None if exact or conversion else earlier_slice(lake, args.as_of),
                zone=lake.catalogue.time_zone,
                care=Care(exact=exact, gaps=conversion is not None),
            )
            lake.replace("gold.customer_features", wide, args.as_of)

        unless_it_overflows(write)


if __name__ == "__main__":
    submit(main)

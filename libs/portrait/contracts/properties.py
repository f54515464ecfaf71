"""What `customProperties` of a contract and of its columns may say."""

# What `customProperties` of a table may say; a misspelt one is an error.
KNOWN_PROPERTIES = {
    "job": "the script in jobs/ that writes the table, without .py: `ingest`, `tiers/customer_tier`",
    "reads": "inputs without which the job is left out of the run",
    "readsOptional": "inputs that are used when they are there",
    "readsPrevious": "tables of which the job reads earlier slices",
    "delivery": "how a feed arrives: append, change or snapshot",
    "conflicts": "which of several records of a key counts in a feed of events: the `first` or the `last` delivered",
    "maxRejectShare": "share of broken rows above which a feed is refused",
    "maxLineBytes": "bytes of one record above which a file of a feed is quarantined",
    "maxUnpackRatio": "bytes that one byte of gzip may unpack to; a file beyond it is quarantined as a gzip bomb",
    "clusteredBy": "columns that keep related rows in the same files",
    "changeFeed": "whether Delta keeps the rows that each commit changed, for jobs that read changes only",
    "columnsFrom": "folder in conf/ whose declarations add columns",
    "config": "files or folders in conf/ that the job reads",
    "labelSource": "true: labels may be declared from this table; it has one row per customer and as_of",
    "readsEveryLabel": "true: a data product from which any label is made holds this table back when it is refused",
    "featureSource": "true: features may be declared from this table, by a source that a capability brings",
    "publishedColumns": "meaning of columns that only the published view has, by name",
    "fewValues": "column of the key with at most some hundreds of values in a slice: it is judged by bits",
    "kind": "slice, ledger or register, where it is not the usual one of its layer (see `kinds`)",
    "publishedAs": "SQL of the published view, when it is more than the slice; {slice} stands for the slice",
}
KNOWN_COLUMN_PROPERTIES = {
    "from": "the column of the feed whose values these are, where its name is another",
    "volatile": "differs between equal runs; left out of digests",
    "identifier": "a key or a reference to one: true, or what else is accepted (see `identifiers`)",
    "placeholders": "values, written as a feed writes them, that mean unknown: they become null",
    "vocabulary": "type, channel, category or a set of conf/vocabulary.yml, whose further values the column has too",
    "label": "the label whose values the column has",
    "unknownWhen": "SQL condition: where it holds, null means that the type could not hold the number",
    "references": "feed.column whose values these are; or a list of {to, where}, `where` being SQL over the row",
}

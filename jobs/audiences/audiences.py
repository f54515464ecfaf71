"""gold.audience_members: one row per audience of conf/audiences, member and as_of.

Also gold.audiences (a row per audience: its expression, members, unknown, doubts). Reads the slices of
gold.customer_portrait and gold.label_statistics: an audience that reads a label in doubt warns or has no members, by
its own policy or conf/trust.yml. A rerun replaces the slices of as_of.
"""

from __future__ import annotations

from portrait.capabilities.audiences.declaration import load_audiences
from portrait.capabilities.audiences.doubts import label_doubts
from portrait.capabilities.audiences.membership import audience_members, audience_summary
from portrait.labels import load_labels
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        day = args.as_of
        audiences = load_audiences(args.conf, load_labels(args.conf, lake.catalogue), lake.catalogue)
        portrait = lake.slice("gold.customer_portrait", day)
        trust = audiences.trust_by_audience(label_doubts(lake.reader, labels=audiences.words.labels, as_of=day))
        members = audience_members(portrait=portrait, audiences=audiences, as_of=day, trust=trust)
        lake.replace("gold.audience_members", members, day)
        summary = audience_summary(portrait=portrait, audiences=audiences, as_of=day, trust=trust)
        lake.replace("gold.audiences", summary, day)


if __name__ == "__main__":
    submit(main)

"""gold.audience_members: one row an audience of conf/audiences, member and as_of.

Also gold.audiences (a row an audience: its expression, members, unknown). Reads the slice of gold.customer_portrait. A
rerun replaces the slices of as_of.
"""

from __future__ import annotations

from portrait.job import job_arguments, open_lake, submit
from portrait.labels import load_labels
from portrait.labels.audiences import audience_members, audience_summary, load_audiences


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        audiences = load_audiences(args.conf, load_labels(args.conf, lake.catalogue), lake.catalogue)
        portrait = lake.slice("gold.customer_portrait", args.as_of)
        members = audience_members(portrait=portrait, audiences=audiences, as_of=args.as_of)
        lake.replace("gold.audience_members", members, args.as_of)
        summary = audience_summary(portrait=portrait, audiences=audiences, as_of=args.as_of)
        lake.replace("gold.audiences", summary, args.as_of)


if __name__ == "__main__":
    submit(main)

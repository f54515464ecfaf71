"""Which loans are sliding: days past due, classes, signals, and the watch list."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="early_warning",
    title="Which loans are sliding: days past due, classes, signals, and the watch list.",
    uses=("contribution",),
    commands={"warnings": "commands:warnings"},
    explain={"Early warning": "gold.customer_warnings"},
)

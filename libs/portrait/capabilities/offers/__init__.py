"""Which product next, and why."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="offers",
    title="Which product next, and why.",
    uses=("tiers",),
    explain={"Recommendations": "gold.recommendations"},
)

"""Which product next, and why."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="offers",
    title="Which product next, and why.",
    uses=("tiers",),
    commands={"recommend": "commands:recommend_command"},
    explain={"Recommendations": "gold.recommendations", "Shopping": "gold.shopping_recommendations"},
)

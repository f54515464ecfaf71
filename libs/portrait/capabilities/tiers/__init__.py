"""Diamond, vip, growing, ordinary: the tier of each customer, and how customers move."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="tiers",
    title="Diamond, vip, growing, ordinary: the tier of each customer, and how customers move.",
    uses=("lifetime",),
    commands={"tiers": "commands:tiers"},
    explain={"Tier": "gold.customer_tier"},
)

"""Products configured for customers, each under its unique number."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="products",
    title="Which configured product, on which terms, under which number.",
    uses=("offers", "tiers"),
    commands={"product": "commands:product"},
    explain={"Configured products": "gold.product_offers"},
)

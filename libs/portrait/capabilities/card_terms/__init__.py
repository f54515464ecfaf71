"""Which line and price for a first card, and which limits of holders to change."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="card_terms",
    title="Which line and price for a first card, and which limits of holders to change.",
    uses=("credit",),
    commands={"card-terms": "commands:card_terms"},
    explain={"Card line and price": "gold.card_offers", "Limit review": "gold.limit_reviews"},
)

"""Who will take a product that they never held."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="prospects",
    title="Who will take a product that they never held.",
    uses=("audiences",),
    explain={"Prospect": "gold.prospect_scores"},
)

"""How recent, frequent, strong and valuable each customer is: RFM, value score."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="score",
    title="How recent, frequent, strong and valuable each customer is: RFM, value score.",
    uses=(
        "contribution",
        "lifetime",
    ),
    explain={"Value": "gold.customer_value"},
)

"""What the bank earned with each customer: margin, fees, costs, expected loss."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="contribution", title="What the bank earned with each customer: margin, fees, costs, expected loss."
)

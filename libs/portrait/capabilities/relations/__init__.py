"""Who belongs together, who owns and who controls whom, and what the bank has lent to whom together."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="relations",
    title="Who belongs together, who owns and who controls whom, and what the bank has lent to them together.",
    uses=("contribution",),
    commands={"relations": "commands:relations_command"},
    explain={"Relations": "gold.customer_relations"},
)

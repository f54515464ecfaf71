"""Which customers are the core of the bank's value, and what they have in common."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="core_group",
    title="Which customers are the core of the bank's value, and what they have in common.",
    uses=("groups", "audiences"),
    commands={"core-group": "commands:core_group"},
    explain={"Core group": "gold.core_group"},
)

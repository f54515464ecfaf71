"""Behaviour groups: which there are, who is in them, how they last."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="groups",
    title="Behaviour groups: which there are, who is in them, how they last.",
    commands={"groups": "commands:groups"},
    explain={"Group": "gold.customer_group"},
)

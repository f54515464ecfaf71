"""Where money goes: to other institutions, through accounts, in circles; card features and fraud measures."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="funds",
    title="Where money goes: to other institutions, through accounts, in circles; card features and fraud measures.",
    commands={"funds": "commands:funds"},
    explain={"Money to other institutions": "gold.leakage"},
)

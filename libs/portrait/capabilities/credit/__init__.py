"""Who will repay: scores of applications, decisions with reasons, and what is watched about them."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="credit",
    title="Who will repay: scores of applications, decisions with reasons, and what is watched about them.",
    commands={"credit": "commands:credit"},
)

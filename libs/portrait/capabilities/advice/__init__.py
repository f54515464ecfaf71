"""What groups buy, when, with what, and what a marketer might do about it."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="advice",
    title="What groups buy, when, with what, and what a marketer might do about it.",
    uses=("groups",),
    commands={"advice": "commands:advice"},
)

"""Who is in a list, and why."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="audiences", title="Who is in a list, and why.", commands={"audience": "commands:audience"}
)

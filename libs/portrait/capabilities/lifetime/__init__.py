"""Will a customer be active, and what is that worth: BG/NBD, Gamma-Gamma."""

from portrait.capability import Capability

CAPABILITY = Capability(
    name="lifetime",
    title="Will a customer be active, and what is that worth: BG/NBD, Gamma-Gamma.",
    commands={"value": "commands:value"},
)
